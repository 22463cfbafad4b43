-- Executions of a span of time, and how many were begun on each day.

drop function public.pilot_list_executions(text, text, text, integer, timestamptz, text, text);
create function public.pilot_list_executions(
    p_owner text, p_workflow_id text, p_status text, p_size integer, p_before timestamptz,
    p_before_id text, p_parent text default null, p_first timestamptz default null,
    p_last timestamptz default null
) returns json
language plpgsql stable set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
begin
    return (
        select coalesce(json_agg(pilot.execution_of(listed::public.executions, false)), '[]') from (
            select * from public.executions
            where owner = p_owner
                and (p_workflow_id is null or workflow_id = p_workflow_id)
                and (p_status is null or status = p_status)
                and (p_first is null or created_at >= p_first)
                and (p_last is null or created_at < p_last)
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

create function public.pilot_executions_by_day(
    p_owner text, p_workflow_id text, p_first timestamptz, p_last timestamptz
) returns json
language plpgsql stable set search_path = '' set plan_cache_mode = 'force_custom_plan' as $$
begin
    return (
        select coalesce(json_agg(json_build_array(day, status, count) order by day, status), '[]')
        from (
            select (created_at at time zone 'UTC')::date as day, status, count(*) as count
            from public.executions
            where owner = p_owner
                and (p_workflow_id is null or workflow_id = p_workflow_id)
                and created_at >= p_first and created_at < p_last
                and parent_execution_id is null
            group by 1, 2
        ) as counted
    );
end
$$;

do $$
declare
    v_function regprocedure;
begin
    for v_function in
        select oid::regprocedure from pg_proc
        where pronamespace = 'public'::regnamespace
            and proname in ('pilot_list_executions', 'pilot_executions_by_day')
    loop
        execute format('revoke all on function %s from public, anon, authenticated', v_function);
        execute format('grant execute on function %s to authenticated, service_role', v_function);
    end loop;
end
$$;
notify pgrst, 'reload schema';
