-- Who may call the functions. A policy decides of each row whatever function it is for; what only
-- the worker and the API itself have to do with is not even callable.

do $$
declare
    v_function regprocedure;
    v_name text;
    v_of_people constant text[] := array[
        'pilot_ping', 'pilot_create_workflow', 'pilot_get_workflow', 'pilot_list_workflows',
        'pilot_update_workflow', 'pilot_delete_workflow', 'pilot_get_version',
        'pilot_get_execution', 'pilot_list_executions', 'pilot_request_cancel', 'pilot_node_runs', 'pilot_events',
        'pilot_put_secret', 'pilot_secret_summaries', 'pilot_delete_secret', 'pilot_put_share',
        'pilot_shares_of_workflow', 'pilot_delete_share', 'pilot_grant_of_execution',
        'pilot_grant_of_workflow', 'pilot_shared_with', 'pilot_report_usage', 'pilot_put_budget',
        'pilot_delete_budget'
    ];
begin
    for v_function, v_name in
        select oid::regprocedure, proname from pg_proc
        where pronamespace = 'public'::regnamespace and proname like 'pilot\_%'
    loop
        execute format('revoke all on function %s from public, anon, authenticated', v_function);
        execute format('grant execute on function %s to service_role', v_function);
        if v_name = any (v_of_people) then
            execute format('grant execute on function %s to authenticated', v_function);
        end if;
    end loop;
end
$$;

revoke all on all functions in schema pilot from public;
grant execute on all functions in schema pilot to authenticated, service_role;
notify pgrst, 'reload schema';
