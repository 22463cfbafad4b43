-- The roles in which several workflows are shared, in one call.

create function public.pilot_roles_of_workflows(p_ids text[], p_grantees text[]) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(json_build_array(workflow_id, role)), '[]')
    from public.shares
    where workflow_id = any (p_ids) and grantee = any (p_grantees)
$$;

revoke all on function public.pilot_roles_of_workflows(text[], text[])
    from public, anon, authenticated;
grant execute on function public.pilot_roles_of_workflows(text[], text[])
    to authenticated, service_role;
notify pgrst, 'reload schema';
