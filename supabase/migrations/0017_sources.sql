-- An execution that an open one goes on from (`source_id`) is not pruned, nor are its events, and
-- neither is a child whose root is open. The functions keep their rights.

create or replace function public.pilot_claim_executions(
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
            and id not in (
                select source_id from public.executions
                where status in ('queued', 'running', 'waiting', 'paused') and source_id is not null
            )
            and coalesce(root_execution_id, id) not in (
                select id from public.executions
                where status in ('queued', 'running', 'waiting', 'paused')
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

-- A part of the events of the execution that ended first. Null: there is none any more; 0: that
-- was the last part; 1: it has more.
create or replace function public.pilot_prune_events(p_before timestamptz, p_size integer) returns json
language plpgsql set search_path = '' as $$
declare
    v_id text;
begin
    select id into v_id from public.executions
    where status in ('cancelled', 'failed', 'succeeded', 'timed_out')
        and events_pruned_at is null and finished_at < p_before
        and id not in (
            select source_id from public.executions
            where status in ('queued', 'running', 'waiting', 'paused') and source_id is not null
        )
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

-- Triggers go with their workflow; the reconciler deletes their schedules.
create or replace function pilot.delete_workflows(p_ids text[]) returns void
language plpgsql set search_path = '' as $$
begin
    delete from public.triggers where workflow_id = any (p_ids);
    delete from public.shares where workflow_id = any (p_ids);
    delete from public.budgets where workflow_id = any (p_ids);
    delete from public.publications where workflow_id = any (p_ids);
    delete from public.workflow_versions where workflow_id = any (p_ids);
    delete from public.workflows where id = any (p_ids);
end
$$;
