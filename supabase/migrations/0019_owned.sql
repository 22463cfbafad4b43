-- Events that go before their execution are put on a list first, as executions are, so that they can
-- be archived; what an execution owns is read whole (`pilot.archive`); and who is forgotten is named
-- no more where they answered an approval of others (`pilot.store.forgetting`).

create function public.pilot_claim_events(p_batch text, p_before timestamptz, p_size integer)
returns json
language plpgsql set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
declare
    v_count bigint;
begin
    with doomed as (
        select id from public.executions
        where status in ('cancelled', 'failed', 'succeeded', 'timed_out')
            and events_pruned_at is null and finished_at < p_before and pruned_by is null
            and id not in (
                select source_id from public.executions
                where status in ('queued', 'running', 'waiting', 'paused') and source_id is not null
            )
        order by finished_at
        limit p_size
        for update skip locked
    ), marked as (
        update public.executions set pruned_by = p_batch
        where id in (select id from doomed)
        returning 1
    )
    select count(*) into v_count from marked;
    return to_json(v_count);
end
$$;

create or replace function public.pilot_claimed_executions(p_size integer) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select pruned_by, id, owner, finished_at from public.executions
        where pruned_by = (
            select min(pruned_by) from public.executions
            where pruned_by is not null and pruned_by not like 'events-%'
        )
        order by id
        limit p_size
    ) as found
$$;

create function public.pilot_claimed_events(p_size integer) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select pruned_by, id, owner, finished_at from public.executions
        where pruned_by = (
            select min(pruned_by) from public.executions
            where pruned_by is not null and pruned_by like 'events-%'
        )
        order by id
        limit p_size
    ) as found
$$;

-- A part of the events of an execution that is on a list for that, or the last of them: whether that
-- was all, and whether there is anything left to do.
create function public.pilot_prune_events_of(p_id text, p_size integer) returns json
language plpgsql set search_path = '' as $$
begin
    perform from public.executions where id = p_id and pruned_by like 'events-%' for update;
    if not found then
        return json_build_object('pruned', false, 'left', 0);
    end if;
    if pilot.delete_events(p_id, p_size) >= p_size then
        return json_build_object('pruned', false, 'left', 1);
    end if;
    update public.executions set events_pruned_at = clock_timestamp(), pruned_by = null
    where id = p_id;
    return json_build_object('pruned', true, 'left', 0);
end
$$;

create function public.pilot_iterations_of(
    p_execution_id text, p_after_node text, p_after_path text, p_after_index integer, p_size integer
) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select node_id, path, index, status, key, started_at, finished_at, error::text as error,
            nodes::text as nodes, output::text as output
        from public.iterations
        where execution_id = p_execution_id
            and (node_id, path, index) > (p_after_node, p_after_path, p_after_index)
        order by node_id, path, index
        limit p_size
    ) as found
$$;

create function public.pilot_calls_of(p_execution_id text) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(usage order by node_id, path, run_id, attempt, call), '[]')
    from public.usage where execution_id = p_execution_id
$$;

-- A text of JSON, with other names in it.
create function pilot.renamed(p_json json, p_names text[], p_instead text[]) returns json
language plpgsql immutable set search_path = '' as $$
declare
    v_text text := p_json::text;
begin
    for i in 1 .. cardinality(p_names) loop
        v_text := replace(v_text, p_names[i], p_instead[i]);
    end loop;
    return v_text::json;
end
$$;
revoke all on function pilot.renamed(json, text[], text[]) from public;
grant execute on function pilot.renamed(json, text[], text[]) to service_role;

create function public.pilot_unname_answers(
    p_owner text, p_names text[], p_instead text[], p_size integer
) returns json
language plpgsql set search_path = '' as $$
declare
    v_ids text[];
    v_all text[];
    v_table text;
    v_column text;
    v_key text;
begin
    select coalesce(array_agg(execution_id), '{}') into v_ids from (
        select distinct execution_id from public.waits
        join public.wait_people on wait_id = waits.id
        join public.executions on executions.id = execution_id
        where user_id = p_owner and has_answered
            and executions.status in ('cancelled', 'failed', 'succeeded', 'timed_out')
        limit p_size
    ) as answered;
    with recursive heirs as (
        select id, workflow_id from public.executions where id = any (v_ids)
        union
        select executions.id, executions.workflow_id from public.executions
        join heirs on executions.parent_execution_id = heirs.id
            or (executions.workflow_id = heirs.workflow_id and executions.source_id = heirs.id)
    )
    select coalesce(array_agg(id order by id), '{}') into v_all from heirs;
    for v_table, v_column in
        select table_name, column_name from information_schema.columns
        where table_schema = 'public' and data_type = 'json'
            and table_name = any (array['executions', 'node_runs', 'iterations', 'waits', 'events'])
    loop
        v_key := case v_table when 'executions' then 'id' else 'execution_id' end;
        execute format(
            'update public.%1$I set %2$I = pilot.renamed(%2$I, $2, $3) where %3$I = any ($1)'
            ' and exists (select from unnest($2) as name where position(name in %2$I::text) > 0)',
            v_table, v_column, v_key
        ) using v_all, p_names, p_instead;
    end loop;
    delete from public.wait_people
    where user_id = p_owner and (
        cardinality(v_ids) = 0 and not has_answered
        or wait_id in (select id from public.waits where execution_id = any (v_ids))
    );
    return to_json(v_all);
end
$$;

do $$
declare
    v_function regprocedure;
begin
    for v_function in
        select oid::regprocedure from pg_proc
        where pronamespace = 'public'::regnamespace and proname = any (array[
            'pilot_claim_events', 'pilot_claimed_events', 'pilot_prune_events_of',
            'pilot_iterations_of', 'pilot_calls_of', 'pilot_unname_answers'
        ])
    loop
        execute format('revoke all on function %s from public, anon, authenticated', v_function);
        execute format('grant execute on function %s to service_role', v_function);
    end loop;
end
$$;
notify pgrst, 'reload schema';
