-- How many executions have not begun, of one owner or of all, counted up to a number.

create function public.pilot_count_queued(p_most integer, p_owner text) returns json
language sql stable set search_path = '' as $$
    select to_json(count(*)) from (
        select from public.executions
        where status = 'queued' and (p_owner is null or owner = p_owner)
            and status in ('queued', 'running', 'waiting', 'paused')
        limit p_most
    ) as found
$$;

revoke all on function public.pilot_count_queued(integer, text) from public, anon, authenticated;
grant execute on function public.pilot_count_queued(integer, text) to service_role;
notify pgrst, 'reload schema';
