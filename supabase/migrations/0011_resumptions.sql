-- What kind of run an execution is, which one it goes on from, and what it takes from there
-- (Alembic's 0013). The functions that read and write whole rows no longer name their columns.

alter table public.executions add column if not exists mode text not null default 'run';
alter table public.executions add column if not exists source_id text;
alter table public.executions add column if not exists resume json;
update public.alembic_version set version_num = '0013' where version_num < '0013';

-- JSON travels as its text; what is only for the store itself does no harm.
create or replace function pilot.execution_of(p_row public.executions, p_whole boolean) returns json
language plpgsql stable set search_path = '' as $$
declare
    v_small public.executions := p_row;
begin
    v_small.usage := null;
    v_small.error := null;
    v_small.input := null;
    v_small.output := null;
    v_small.resume := null;
    return (to_jsonb(v_small) || jsonb_build_object(
        'usage', p_row.usage::text,
        'error', p_row.error::text,
        'input', case when p_whole then p_row.input::text end,
        'output', case when p_whole then p_row.output::text end,
        'resume', case when p_whole then p_row.resume::text end
    ))::json;
end
$$;

create or replace function public.pilot_create_execution(p_execution json, p_most integer) returns json
language plpgsql set search_path = '' as $$
declare
    v_new public.executions := json_populate_record(null::public.executions, p_execution);
    v_row public.executions;
begin
    v_new.status_seq := 0;
    v_new.usage := (p_execution ->> 'usage')::json;
    v_new.error := (p_execution ->> 'error')::json;
    v_new.input := (p_execution ->> 'input')::json;
    v_new.output := (p_execution ->> 'output')::json;
    v_new.resume := (p_execution ->> 'resume')::json;
    if p_most is not null then
        perform pg_advisory_xact_lock(7032119, hashtext(v_new.owner));
        if pilot.first_held(v_new.owner) is not null or pilot.are_taken(v_new.owner, p_most) then
            v_new.held_at := clock_timestamp();
        end if;
    end if;
    perform from public.workflows
    where id = v_new.workflow_id and owner = v_new.owner and deleted_at is null
        and exists (
            select from public.workflow_versions as versions
            where versions.workflow_id = v_new.workflow_id
                and versions.version = v_new.workflow_version
        )
    for share of workflows;
    if found then
        insert into public.executions values (v_new.*)
        on conflict (id) do nothing;
        if found then
            return json_build_object('held_at', v_new.held_at);
        end if;
    end if;
    select * into v_row from public.executions where id = v_new.id and owner = v_new.owner;
    if not found then
        perform pilot.missing(format(
            'there is no version %s of workflow %s', v_new.workflow_version, v_new.workflow_id
        ));
    end if;
    return json_build_object('row', pilot.execution_of(v_row, true));
end
$$;

notify pgrst, 'reload schema';
