-- How long things are kept (`pilot.store.retention`), and deleting all of an owner's
-- (`pilot.store.forgetting`). Tables that `pilot migrate` has brought up to date have the columns.

alter table public.workflows add column if not exists retention_days double precision;
alter table public.executions add column if not exists pruned_by text;
alter table public.executions add column if not exists events_pruned_at timestamptz;

create index if not exists ix_workflows_deleted on public.workflows (deleted_at)
    where deleted_at is not null;
create index if not exists ix_workflows_retention on public.workflows (id)
    where retention_days is not null;
create index if not exists ix_executions_ended on public.executions (status, finished_at)
    where status in ('cancelled', 'failed', 'succeeded', 'timed_out');
create index if not exists ix_executions_events_kept on public.executions (finished_at)
    where status in ('cancelled', 'failed', 'succeeded', 'timed_out') and events_pruned_at is null;
create index if not exists ix_executions_pruned on public.executions (pruned_by)
    where pruned_by is not null;
create index if not exists ix_executions_started_by on public.executions (started_by)
    where started_by is not null;
create index if not exists ix_usage_day on public.usage (day);
create index if not exists ix_usage_owner on public.usage (owner);
create index if not exists ix_usage_days_day on public.usage_days (day);

create function public.pilot_claim_executions(
    p_batch text, p_status text, p_before timestamptz, p_workflow_id text, p_size integer
) returns json
language plpgsql set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
declare
    v_count bigint;
begin
    with doomed as (
        select id from public.executions
        where status = p_status and status in ('cancelled', 'failed', 'succeeded', 'timed_out')
            and finished_at < p_before and pruned_by is null
            and (p_workflow_id is null or workflow_id = p_workflow_id and created_at < p_before)
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

create function public.pilot_claimed_executions(p_size integer) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select pruned_by, id, owner, finished_at from public.executions
        where pruned_by = (
            select min(pruned_by) from public.executions where pruned_by is not null
        )
        order by id
        limit p_size
    ) as found
$$;

create function public.pilot_release_executions(p_ids text[]) returns json
language plpgsql set search_path = '' as $$
begin
    update public.executions set pruned_by = null where id = any (p_ids);
    return to_json(found);
end
$$;

-- The oldest events, at most that many: how many.
create function pilot.delete_events(p_id text, p_size integer) returns integer
language plpgsql set search_path = '' as $$
declare
    v_count integer;
begin
    delete from public.events where execution_id = p_id and seq in (
        select seq from public.events where execution_id = p_id order by seq limit p_size
    );
    get diagnostics v_count = row_count;
    return v_count;
end
$$;
revoke all on function pilot.delete_events(text, integer) from public;
grant execute on function pilot.delete_events(text, integer) to service_role;

-- A part of an execution's events, or with the last of them the execution: whether it was deleted,
-- and whether there is anything left to do.
create function public.pilot_delete_execution(p_owner text, p_id text, p_size integer) returns json
language plpgsql set search_path = '' as $$
declare
    v_status text;
begin
    select status into v_status from public.executions
    where id = p_id and owner = p_owner
    for update;
    if not found then
        return json_build_object('deleted', false, 'left', 0);
    end if;
    if v_status not in ('cancelled', 'failed', 'succeeded', 'timed_out') then
        perform pilot.refused('execution_open', format(
            'execution %s has not ended: cancel it first', p_id
        ));
    end if;
    if pilot.delete_events(p_id, p_size) >= p_size then
        return json_build_object('deleted', false, 'left', 1);
    end if;
    delete from public.node_runs where execution_id = p_id;
    delete from public.usage where execution_id = p_id;
    delete from public.llm_calls where execution_id = p_id;
    delete from public.executions where id = p_id;
    return json_build_object('deleted', true, 'left', 0);
end
$$;

-- A part of the events of the execution that ended first. Null: there is none any more; 0: that
-- was the last part; 1: it has more.
create function public.pilot_prune_events(p_before timestamptz, p_size integer) returns json
language plpgsql set search_path = '' as $$
declare
    v_id text;
begin
    select id into v_id from public.executions
    where status in ('cancelled', 'failed', 'succeeded', 'timed_out')
        and events_pruned_at is null and finished_at < p_before
    order by finished_at
    limit 1
    for update skip locked;
    if not found then
        return null;
    end if;
    if pilot.delete_events(v_id, p_size) >= p_size then
        return to_json(1);
    end if;
    update public.executions set events_pruned_at = clock_timestamp() where id = v_id;
    return to_json(0);
end
$$;

-- Workflows that have no execution, with all that belongs to them.
create function pilot.delete_workflows(p_ids text[]) returns void
language plpgsql set search_path = '' as $$
begin
    delete from public.shares where workflow_id = any (p_ids);
    delete from public.budgets where workflow_id = any (p_ids);
    delete from public.publications where workflow_id = any (p_ids);
    delete from public.workflow_versions where workflow_id = any (p_ids);
    delete from public.workflows where id = any (p_ids);
end
$$;
revoke all on function pilot.delete_workflows(text[]) from public;
grant execute on function pilot.delete_workflows(text[]) to service_role;

create function public.pilot_purge_workflows(p_size integer) returns json
language plpgsql set search_path = '' as $$
declare
    v_ids text[];
begin
    select array_agg(id) into v_ids from (
        select id from public.workflows
        where deleted_at is not null
            and not exists (select from public.executions where workflow_id = workflows.id)
        limit p_size
    ) as doomed;
    perform pilot.delete_workflows(v_ids);
    return to_json(coalesce(cardinality(v_ids), 0));
end
$$;

create function public.pilot_expire(p_usage_before date, p_size integer) returns json
language plpgsql set search_path = '' as $$
declare
    v_part bigint;
    v_count bigint := 0;
begin
    delete from public.llm_calls where (call_key, step) in (
        select call_key, step from public.llm_calls where expires_at < clock_timestamp()
        limit p_size
    );
    get diagnostics v_part = row_count;
    v_count := v_count + v_part;
    delete from public.llm_answers where (owner, question) in (
        select owner, question from public.llm_answers where expires_at < clock_timestamp()
        limit p_size
    );
    get diagnostics v_part = row_count;
    v_count := v_count + v_part;
    delete from public.usage
    where (execution_id, node_id, path, run_id, attempt, call) in (
        select execution_id, node_id, path, run_id, attempt, call from public.usage
        where day < p_usage_before
        limit p_size
    );
    get diagnostics v_part = row_count;
    v_count := v_count + v_part;
    delete from public.usage_days where (owner, day, workflow_id, model) in (
        select owner, day, workflow_id, model from public.usage_days where day < p_usage_before
        limit p_size
    );
    get diagnostics v_part = row_count;
    return to_json(v_count + v_part);
end
$$;

create function public.pilot_retention_overrides(p_after text, p_size integer) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select id, retention_days from public.workflows
        where retention_days is not null and id > p_after
        order by id
        limit p_size
    ) as found
$$;

create function public.pilot_retention_days(p_owner text, p_id text) returns json
language plpgsql stable set search_path = '' as $$
declare
    v_days double precision;
begin
    select retention_days into v_days from public.workflows
    where id = p_id and owner = p_owner and deleted_at is null;
    if not found then
        perform pilot.missing(format('there is no workflow %s', p_id));
    end if;
    return to_json(v_days);
end
$$;

create function public.pilot_set_retention_days(p_owner text, p_id text, p_days double precision)
returns json
language plpgsql set search_path = '' as $$
begin
    update public.workflows set retention_days = p_days
    where id = p_id and owner = p_owner and deleted_at is null;
    if not found then
        perform pilot.missing(format('there is no workflow %s', p_id));
    end if;
    return to_json(true);
end
$$;

create function public.pilot_close_access(p_owner text) returns json
language plpgsql set search_path = '' as $$
declare
    v_part bigint;
    v_count bigint := 0;
begin
    delete from public.secrets where owner = p_owner;
    get diagnostics v_part = row_count;
    v_count := v_count + v_part;
    delete from public.api_keys where owner = p_owner or created_by = p_owner;
    get diagnostics v_part = row_count;
    v_count := v_count + v_part;
    delete from public.shares where grantee = p_owner
        or workflow_id in (select id from public.workflows where owner = p_owner);
    get diagnostics v_part = row_count;
    return to_json(v_count + v_part);
end
$$;

create function public.pilot_delete_workflows(p_owner text, p_size integer) returns json
language plpgsql set search_path = '' as $$
declare
    v_ids text[];
begin
    select array_agg(id) into v_ids from (
        select id from public.workflows
        where owner = p_owner
            and not exists (select from public.executions where workflow_id = workflows.id)
        limit p_size
        for update
    ) as doomed;
    perform pilot.delete_workflows(v_ids);
    return to_json(coalesce(cardinality(v_ids), 0));
end
$$;

create function public.pilot_delete_usage(p_owner text, p_size integer) returns json
language plpgsql set search_path = '' as $$
declare
    v_part bigint;
    v_count bigint := 0;
    v_table text;
begin
    delete from public.usage where owner = p_owner and execution_id in (
        select distinct execution_id from public.usage where owner = p_owner limit p_size
    );
    get diagnostics v_part = row_count;
    v_count := v_count + v_part;
    foreach v_table in array array['usage_days', 'usage_reservations', 'budgets', 'llm_answers']
    loop
        execute format('delete from public.%I where owner = $1', v_table) using p_owner;
        get diagnostics v_part = row_count;
        v_count := v_count + v_part;
    end loop;
    return to_json(v_count);
end
$$;

create function public.pilot_unname(p_owner text, p_size integer) returns json
language plpgsql set search_path = '' as $$
declare
    v_part bigint;
    v_count bigint := 0;
begin
    update public.executions set started_by = null where id in (
        select id from public.executions where started_by = p_owner limit p_size
    );
    get diagnostics v_part = row_count;
    v_count := v_count + v_part;
    update public.workflow_versions set created_by = null where (workflow_id, version) in (
        select workflow_id, version from public.workflow_versions
        where created_by = p_owner limit p_size
    );
    get diagnostics v_part = row_count;
    v_count := v_count + v_part;
    update public.publications set published_by = null where (workflow_id, number) in (
        select workflow_id, number from public.publications
        where published_by = p_owner limit p_size
    );
    get diagnostics v_part = row_count;
    return to_json(v_count + v_part);
end
$$;

do $$
declare
    v_function regprocedure;
begin
    for v_function in
        select oid::regprocedure from pg_proc
        where pronamespace = 'public'::regnamespace and proname = any (array[
            'pilot_claim_executions', 'pilot_claimed_executions', 'pilot_release_executions',
            'pilot_delete_execution', 'pilot_prune_events', 'pilot_purge_workflows',
            'pilot_expire', 'pilot_retention_overrides', 'pilot_retention_days',
            'pilot_set_retention_days', 'pilot_close_access', 'pilot_delete_workflows',
            'pilot_delete_usage', 'pilot_unname'
        ])
    loop
        execute format('revoke all on function %s from public, anon, authenticated', v_function);
        execute format('grant execute on function %s to service_role', v_function);
    end loop;
end
$$;

update public.alembic_version set version_num = '0012';
notify pgrst, 'reload schema';
