-- What runs take that other runs began counts for the budgets of those runs' workflows, too: its
-- `callers`. It stands in no report of theirs. The functions keep their rights.

alter table public.usage_days add column if not exists called_tokens bigint not null default 0;
alter table public.usage_days add column if not exists called_cost bigint not null default 0;
alter table public.usage_reservations add column if not exists called boolean not null default false;

create or replace function public.pilot_record_usage(p_call json) returns json
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
        insert into public.usage_days as old (
            owner, day, workflow_id, model, prompt_tokens, completion_tokens, cost, calls,
            unpriced, estimated, called_tokens, called_cost
        )
        select v_call.owner, v_call.day, caller, v_call.model, 0, 0, 0, 0, 0, 0,
            v_call.prompt_tokens::bigint + v_call.completion_tokens, coalesce(v_call.cost, 0)
        from json_array_elements_text(coalesce(p_call -> 'callers', '[]')) as caller
        on conflict (owner, day, workflow_id, model) do update set
            called_tokens = old.called_tokens + excluded.called_tokens,
            called_cost = old.called_cost + excluded.called_cost;
    end if;
    delete from public.usage_reservations
    where owner = v_call.owner and day = v_call.day
        and call_key = p_call ->> 'call_key';
    return to_json(v_is_new);
end
$$;

create or replace function pilot.spent(p_owner text, p_workflow_id text, p_day date) returns json
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
            coalesce(sum(prompt_tokens + completion_tokens + called_tokens)
                filter (where workflow_id = p_workflow_id), 0) as workflow_tokens,
            coalesce(sum(cost + called_cost)
                filter (where workflow_id = p_workflow_id), 0) as workflow_cost
        from public.usage_days
        where owner = p_owner and day = p_day
    ) as used, (
        select coalesce(sum(tokens) filter (where not called), 0) as tokens,
            coalesce(sum(cost) filter (where not called), 0) as cost,
            coalesce(sum(tokens) filter (where workflow_id = p_workflow_id), 0) as workflow_tokens,
            coalesce(sum(cost) filter (where workflow_id = p_workflow_id), 0) as workflow_cost
        from public.usage_reservations
        where owner = p_owner and day = p_day and expires_at > clock_timestamp()
    ) as held
$$;

-- Null where it is reserved, else what is spent. `p_limits`: tokens and cost of the account, of the
-- workflow, and of each of the reservation's callers in their order; null for no limit.
create or replace function public.pilot_reserve_usage(p_reservation json, p_limits bigint[])
returns json
language plpgsql set search_path = '' as $$
declare
    v_new public.usage_reservations;
    v_callers text[] := array(
        select json_array_elements_text(coalesce(p_reservation -> 'callers', '[]'))
    );
    v_spent json;
    v_above json;
    v_part json;
begin
    select * into v_new from json_populate_record(null::public.usage_reservations, p_reservation);
    v_new.called := false;
    perform pg_advisory_xact_lock(7032118, hashtext(v_new.owner));
    delete from public.usage_reservations
    where owner = v_new.owner and expires_at <= clock_timestamp();
    v_spent := pilot.spent(v_new.owner, v_new.workflow_id, v_new.day);
    select coalesce(
        json_agg(pilot.spent(v_new.owner, caller, v_new.day) -> 'workflow' order by place), '[]'
    )
    into v_above
    from unnest(v_callers) with ordinality as above (caller, place);
    for v_limit in 1..array_length(p_limits, 1) loop
        v_part := case when v_limit <= 2 then v_spent -> 'account'
            when v_limit <= 4 then v_spent -> 'workflow'
            else v_above -> ((v_limit - 5) / 2) end;
        if (v_part ->> ((v_limit - 1) % 2))::bigint + (v_part ->> ((v_limit - 1) % 2 + 2))::bigint
            >= p_limits[v_limit]
        then
            return json_build_object(
                'account', v_spent -> 'account', 'workflow', v_spent -> 'workflow',
                'callers', v_above
            );
        end if;
    end loop;
    insert into public.usage_reservations select v_new.* on conflict do nothing;
    v_new.called := true;
    for v_place in 1..coalesce(array_length(v_callers, 1), 0) loop
        v_new.workflow_id := v_callers[v_place];
        insert into public.usage_reservations select v_new.* on conflict do nothing;
    end loop;
    return null;
end
$$;

create or replace function public.pilot_release_usage(
    p_owner text, p_day date, p_workflow_id text, p_call_key text
) returns json
language plpgsql set search_path = '' as $$
begin
    delete from public.usage_reservations
    where owner = p_owner and day = p_day and call_key = p_call_key;
    return to_json(found);
end
$$;

create or replace function public.pilot_report_usage(
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
        ' from public.usage_days where owner = $1 and day between $2 and $3 and calls > 0 %s %s limit $4'
        ') as found',
        v_groups || ',',
        'and (' || v_groups || ') < (' || v_place || ')',
        'group by ' || v_groups || ' order by ' || replace(v_groups, ',', ' desc,') || ' desc'
    ) into v_found using p_owner, p_first, p_last, p_size;
    return v_found;
end
$$;

update public.alembic_version set version_num = '0018' where version_num < '0018';
