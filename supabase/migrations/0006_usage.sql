-- What model calls used, budgets, and the calls themselves while it matters what became of them.

create function public.pilot_record_usage(p_call json) returns json
language plpgsql set search_path = '' as $$
declare
    v_call public.usage;
    v_is_new boolean;
begin
    select * into v_call from json_populate_record(null::public.usage, p_call);
    insert into public.usage select v_call.* on conflict do nothing;
    v_is_new := found;
    if v_is_new then
        insert into public.usage_days as old (
            owner, day, workflow_id, model, prompt_tokens, completion_tokens, cost, calls,
            unpriced, estimated
        ) values (
            v_call.owner, v_call.day, v_call.workflow_id, v_call.model, v_call.prompt_tokens,
            v_call.completion_tokens, coalesce(v_call.cost, 0), 1, (v_call.cost is null)::integer,
            v_call.estimated::integer
        )
        on conflict (owner, day, workflow_id, model) do update set
            prompt_tokens = old.prompt_tokens + excluded.prompt_tokens,
            completion_tokens = old.completion_tokens + excluded.completion_tokens,
            cost = old.cost + excluded.cost,
            calls = old.calls + excluded.calls,
            unpriced = old.unpriced + excluded.unpriced,
            estimated = old.estimated + excluded.estimated;
    end if;
    delete from public.usage_reservations
    where owner = v_call.owner and day = v_call.day and workflow_id = v_call.workflow_id
        and call_key = p_call ->> 'call_key';
    return to_json(v_is_new);
end
$$;

-- Of one day, the account and one workflow: what was used, and what calls under way hold. One
-- statement, since a call that is recorded between two would be in neither.
create function pilot.spent(p_owner text, p_workflow_id text, p_day date) returns json
language sql stable set search_path = '' as $$
    select json_build_object(
        'account', json_build_array(used.tokens, used.cost, held.tokens, held.cost),
        'workflow', json_build_array(
            used.workflow_tokens, used.workflow_cost, held.workflow_tokens, held.workflow_cost
        )
    )
    from (
        select coalesce(sum(prompt_tokens + completion_tokens), 0) as tokens,
            coalesce(sum(cost), 0) as cost,
            coalesce(sum(prompt_tokens + completion_tokens)
                filter (where workflow_id = p_workflow_id), 0) as workflow_tokens,
            coalesce(sum(cost) filter (where workflow_id = p_workflow_id), 0) as workflow_cost
        from public.usage_days
        where owner = p_owner and day = p_day
    ) as used, (
        select coalesce(sum(tokens), 0) as tokens, coalesce(sum(cost), 0) as cost,
            coalesce(sum(tokens) filter (where workflow_id = p_workflow_id), 0) as workflow_tokens,
            coalesce(sum(cost) filter (where workflow_id = p_workflow_id), 0) as workflow_cost
        from public.usage_reservations
        where owner = p_owner and day = p_day and expires_at > clock_timestamp()
    ) as held
$$;

create function public.pilot_spent(p_owner text, p_workflow_id text, p_day date) returns json
language sql stable set search_path = '' as $$
    select pilot.spent(p_owner, p_workflow_id, p_day)
$$;

-- Null where it is reserved, else what is spent. `p_limits`: tokens and cost of the account, then
-- of the workflow; null for no limit.
create function public.pilot_reserve_usage(p_reservation json, p_limits bigint[]) returns json
language plpgsql set search_path = '' as $$
declare
    v_new public.usage_reservations;
    v_spent json;
    v_part json;
begin
    select * into v_new from json_populate_record(null::public.usage_reservations, p_reservation);
    perform pg_advisory_xact_lock(7032118, hashtext(v_new.owner));
    delete from public.usage_reservations
    where owner = v_new.owner and expires_at <= clock_timestamp();
    v_spent := pilot.spent(v_new.owner, v_new.workflow_id, v_new.day);
    for v_limit in 1..4 loop
        v_part := v_spent -> case when v_limit <= 2 then 'account' else 'workflow' end;
        if (v_part ->> ((v_limit - 1) % 2))::bigint + (v_part ->> ((v_limit - 1) % 2 + 2))::bigint
            >= p_limits[v_limit]
        then
            return v_spent;
        end if;
    end loop;
    insert into public.usage_reservations select v_new.* on conflict do nothing;
    return null;
end
$$;

create function public.pilot_release_usage(
    p_owner text, p_day date, p_workflow_id text, p_call_key text
) returns json
language plpgsql set search_path = '' as $$
begin
    delete from public.usage_reservations
    where owner = p_owner and day = p_day and workflow_id = p_workflow_id
        and call_key = p_call_key;
    return to_json(found);
end
$$;

-- Over the calls of a node, or (null) of the whole execution.
create function public.pilot_total_usage(p_execution_id text, p_node_id text, p_path text)
returns json
language sql stable set search_path = '' as $$
    select row_to_json(total) from (
        select coalesce(sum(prompt_tokens), 0) as prompt_tokens,
            coalesce(sum(completion_tokens), 0) as completion_tokens,
            coalesce(sum(cost), 0) as cost, count(*) as calls,
            count(*) filter (where cost is null) as unpriced,
            count(*) filter (where estimated) as estimated
        from public.usage
        where execution_id = p_execution_id
            and (p_node_id is null or node_id = p_node_id and path = p_path)
    ) as total
$$;

-- Grouped by columns of `day`, `workflow_id` and `model`, in descending order of them; from
-- `p_after` on, the place of the last row before.
create function public.pilot_report_usage(
    p_owner text, p_first date, p_last date, p_groups text[], p_after text[], p_size integer
) returns json
language plpgsql stable set search_path = '' as $$
declare
    v_groups text;
    v_place text;
    v_found json;
begin
    if exists (
        select from unnest(p_groups) as name where name not in ('day', 'workflow_id', 'model')
    ) then
        raise exception using errcode = '22023', message = 'no such group';
    end if;
    select string_agg(quote_ident(name), ', ' order by place),
        string_agg(
            quote_literal(p_after[place]) || case when name = 'day' then '::date' else '' end, ', '
            order by place
        )
    into v_groups, v_place
    from unnest(p_groups) with ordinality as names (name, place);
    execute format(
        'select coalesce(json_agg(found), ''[]'') from ('
        'select %s sum(prompt_tokens) as prompt_tokens,'
        ' sum(completion_tokens) as completion_tokens, sum(cost) as cost, sum(calls) as calls,'
        ' sum(unpriced) as unpriced, sum(estimated) as estimated'
        ' from public.usage_days where owner = $1 and day between $2 and $3 %s %s limit $4'
        ') as found',
        v_groups || ',',
        'and (' || v_groups || ') < (' || v_place || ')',
        'group by ' || v_groups || ' order by ' || replace(v_groups, ',', ' desc,') || ' desc'
    ) into v_found using p_owner, p_first, p_last, p_size;
    return v_found;
end
$$;

create function public.pilot_budgets(p_owner text, p_workflow_ids text[]) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select workflow_id, tokens_per_day, cost_per_day
        from public.budgets
        where owner = p_owner and workflow_id = any (p_workflow_ids)
    ) as found
$$;

create function public.pilot_put_budget(
    p_owner text, p_workflow_id text, p_tokens bigint, p_cost bigint
) returns json
language plpgsql set search_path = '' as $$
begin
    insert into public.budgets (owner, workflow_id, tokens_per_day, cost_per_day, updated_at)
    values (p_owner, p_workflow_id, p_tokens, p_cost, clock_timestamp())
    on conflict (owner, workflow_id) do update set
        tokens_per_day = excluded.tokens_per_day, cost_per_day = excluded.cost_per_day,
        updated_at = excluded.updated_at;
    return to_json(true);
end
$$;

create function public.pilot_delete_budget(p_owner text, p_workflow_id text) returns json
language plpgsql set search_path = '' as $$
begin
    delete from public.budgets where owner = p_owner and workflow_id = p_workflow_id;
    return to_json(found);
end
$$;

create function public.pilot_llm_calls(p_key text) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select call_key, step, execution_id, attempt, worker, state, answer::text as answer
        from public.llm_calls
        where call_key = p_key
    ) as found
$$;

create function public.pilot_llm_call_sent(
    p_key text, p_step text, p_execution_id text, p_attempt integer, p_worker text,
    p_expires_at timestamptz
) returns json
language plpgsql set search_path = '' as $$
begin
    insert into public.llm_calls
        (call_key, step, execution_id, state, attempt, worker, expires_at, answer)
    values (p_key, p_step, p_execution_id, 'sent', p_attempt, p_worker, p_expires_at, null)
    on conflict (call_key, step) do update set
        execution_id = excluded.execution_id, state = excluded.state, attempt = excluded.attempt,
        worker = excluded.worker, expires_at = excluded.expires_at, answer = null;
    return to_json(true);
end
$$;

create function public.pilot_llm_call_answered(
    p_key text, p_step text, p_attempt integer, p_worker text, p_answer text
) returns json
language plpgsql set search_path = '' as $$
begin
    update public.llm_calls set state = 'answered', answer = p_answer::json
    where call_key = p_key and step = p_step and attempt = p_attempt and worker = p_worker;
    return to_json(found);
end
$$;

create function public.pilot_forget_llm_calls(p_key text, p_step text) returns json
language plpgsql set search_path = '' as $$
begin
    delete from public.llm_calls where call_key = p_key and (p_step is null or step = p_step);
    return to_json(found);
end
$$;

create function public.pilot_forget_llm_run(p_execution_id text) returns json
language plpgsql set search_path = '' as $$
begin
    delete from public.llm_calls where execution_id = p_execution_id;
    if found then  -- most runs have asked no model
        delete from public.llm_calls where expires_at < clock_timestamp();
        delete from public.llm_answers where expires_at < clock_timestamp();
    end if;
    return to_json(true);
end
$$;

create function public.pilot_kept_answer(p_owner text, p_question text) returns json
language sql stable set search_path = '' as $$
    select to_json(answer::text) from public.llm_answers
    where owner = p_owner and question = p_question and expires_at > clock_timestamp()
$$;

create function public.pilot_keep_answer(
    p_owner text, p_question text, p_expires_at timestamptz, p_answer text
) returns json
language plpgsql set search_path = '' as $$
begin
    insert into public.llm_answers (owner, question, expires_at, answer)
    values (p_owner, p_question, p_expires_at, p_answer::json)
    on conflict (owner, question) do update set
        expires_at = excluded.expires_at, answer = excluded.answer;
    return to_json(true);
end
$$;
