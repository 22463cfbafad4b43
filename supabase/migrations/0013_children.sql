-- Executions that others began (Alembic's 0015). Children take no slot.

alter table public.executions
    add column if not exists parent_execution_id text,
    add column if not exists parent_node_id text,
    add column if not exists parent_path text,
    add column if not exists root_execution_id text,
    add column if not exists depth integer;
create index if not exists ix_executions_roots on public.executions (owner, created_at, id)
    where parent_execution_id is null;
create index if not exists ix_executions_parent_execution_id_created_at_id
    on public.executions (parent_execution_id, created_at, id)
    where parent_execution_id is not null;
drop index public.ix_executions_slots;
create index ix_executions_slots on public.executions (owner)
    where status in ('queued', 'running', 'waiting', 'paused')
        and (held_at is null or released_at is not null)
        and parent_execution_id is null;
update public.alembic_version set version_num = '0015' where version_num < '0015';

create or replace function pilot.are_taken(p_owner text, p_most integer) returns boolean
language sql set search_path = '' as $$
    select exists (
        select from public.executions
        where status in ('queued', 'running', 'waiting', 'paused')
            and (held_at is null or released_at is not null)
            and parent_execution_id is null
            and owner = p_owner
        offset greatest(p_most - 1, 0) limit 1
    )
$$;

-- `p_parent` is an execution, or `roots` for those that none began.
drop function public.pilot_list_executions(text, text, text, integer, timestamptz, text);
create function public.pilot_list_executions(
    p_owner text, p_workflow_id text, p_status text, p_size integer, p_before timestamptz,
    p_before_id text, p_parent text default null
) returns json
language plpgsql stable set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
begin
    return (
        select coalesce(json_agg(pilot.execution_of(listed::public.executions, false)), '[]') from (
            select * from public.executions
            where owner = p_owner
                and (p_workflow_id is null or workflow_id = p_workflow_id)
                and (p_status is null or status = p_status)
                and (p_parent is distinct from 'roots' or parent_execution_id is null)
                and (
                    p_parent is null or p_parent = 'roots'
                    or (parent_execution_id is not null and parent_execution_id = p_parent)
                )
                and (created_at, id) < (coalesce(p_before, 'infinity'), coalesce(p_before_id, ''))
            order by created_at desc, id desc
            limit p_size
        ) as listed
    );
end
$$;

do $$
declare
    v_function constant regprocedure :=
        'public.pilot_list_executions(text, text, text, integer, timestamptz, text, text)';
begin
    execute format('revoke all on function %s from public, anon, authenticated', v_function);
    execute format('grant execute on function %s to authenticated, service_role', v_function);
end
$$;
notify pgrst, 'reload schema';
