-- Nodes that wait for people or programs (pilot.store.waits). Who may answer is the API's to decide:
-- an approver may be of another tenant, so no policy lets anybody's own token in.

create table if not exists public.waits (
    id text not null,
    execution_id text not null,
    node_id text not null,
    path text not null,
    kind text not null,
    temporal_id text not null,
    seq integer not null,
    role text,
    allow_self boolean not null,
    data json not null,
    created_at timestamptz not null,
    expires_at timestamptz,
    closed_at timestamptz,
    constraint pk_waits primary key (id),
    constraint fk_waits_executions
        foreign key (execution_id) references public.executions (id) on delete cascade,
    constraint ck_waits_kind check (kind in ('approval', 'signal', 'webhook')),
    constraint ck_waits_role check (role in ('viewer', 'runner', 'editor', 'admin'))
);
create index if not exists ix_waits_execution_id on public.waits (execution_id);
create index if not exists ix_waits_open on public.waits (created_at, id)
    where closed_at is null;
create table if not exists public.wait_people (
    wait_id text not null,
    user_id text not null,
    may_answer boolean not null,
    has_answered boolean not null,
    constraint pk_wait_people primary key (wait_id, user_id),
    constraint fk_wait_people_waits
        foreign key (wait_id) references public.waits (id) on delete cascade
);
create index if not exists ix_wait_people_user_id on public.wait_people (user_id);

alter table public.waits enable row level security;
alter table public.waits force row level security;
alter table public.wait_people enable row level security;
alter table public.wait_people force row level security;
revoke all on public.waits, public.wait_people from public, anon, authenticated;
grant all on public.waits, public.wait_people to service_role;

create function public.pilot_put_wait(
    p_id text, p_execution_id text, p_node_id text, p_path text, p_kind text, p_temporal_id text,
    p_seq integer, p_role text, p_allow_self boolean, p_data text, p_created_at timestamptz,
    p_expires_at timestamptz, p_closed_at timestamptz, p_users text[], p_answered text[]
) returns json
language plpgsql set search_path = '' as $$
begin
    perform from public.executions where id = p_execution_id for update;
    if not found or exists (select from public.waits where id = p_id and seq > p_seq) then
        return to_json(false);
    end if;
    delete from public.waits where id = p_id;
    insert into public.waits
        (id, execution_id, node_id, path, kind, temporal_id, seq, role, allow_self, data,
            created_at, expires_at, closed_at)
    values (
        p_id, p_execution_id, p_node_id, p_path, p_kind, p_temporal_id, p_seq, p_role,
        p_allow_self, p_data::json, p_created_at, p_expires_at, p_closed_at
    );
    insert into public.wait_people (wait_id, user_id, may_answer, has_answered)
    select p_id, person, person = any (p_users), person = any (p_answered)
    from (select distinct unnest(p_users || p_answered) as person) as people;
    return to_json(true);
end
$$;

create function public.pilot_waits(p_execution_id text, p_id text) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select waits.id, execution_id, node_id, path, kind, temporal_id, seq, role, allow_self,
            data::text as data, created_at, expires_at, closed_at,
            (
                select coalesce(json_agg(wait_people order by user_id), '[]')
                from public.wait_people where wait_id = waits.id
            ) as people
        from public.waits
        where execution_id = p_execution_id and (p_id is null or waits.id = p_id)
        order by created_at, waits.id
    ) as found
$$;

create function public.pilot_waiting_for(
    p_user text, p_owner text, p_roles text[], p_grantees text[], p_size integer,
    p_before timestamptz, p_before_id text
) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select waits.id, waits.execution_id, waits.node_id, waits.path, waits.kind,
            waits.temporal_id, waits.seq, waits.role, waits.allow_self, waits.data::text as data,
            waits.created_at, waits.expires_at, waits.closed_at,
            workflows.id as workflow_id, workflows.name
        from public.waits
        join public.executions on executions.id = waits.execution_id
        join public.workflows on workflows.id = executions.workflow_id
        where waits.kind = 'approval' and waits.closed_at is null
            and executions.status not in ('succeeded', 'failed', 'cancelled', 'timed_out')
            and not exists (
                select from public.wait_people
                where wait_id = waits.id and user_id = p_user and has_answered
            )
            and (
                waits.allow_self
                or coalesce(executions.started_by, executions.owner) <> p_user
            )
            and (
                exists (
                    select from public.wait_people
                    where wait_id = waits.id and user_id = p_user and may_answer
                )
                or (executions.owner = p_owner and waits.role = any (p_roles))
                or exists (
                    select from public.shares
                    where shares.workflow_id = executions.workflow_id
                        and shares.grantee = any (p_grantees)
                        and pilot.rank_of(shares.role) >= pilot.rank_of(waits.role)
                )
            )
            and (waits.created_at, waits.id)
                < (coalesce(p_before, 'infinity'), coalesce(p_before_id, ''))
        order by waits.created_at desc, waits.id desc
        limit p_size
    ) as found
$$;

do $$
declare
    v_function regprocedure;
begin
    for v_function in
        select oid::regprocedure from pg_proc
        where pronamespace = 'public'::regnamespace and proname = any (array[
            'pilot_put_wait', 'pilot_waits', 'pilot_waiting_for'
        ])
    loop
        execute format('revoke all on function %s from public, anon, authenticated', v_function);
        execute format('grant execute on function %s to service_role', v_function);
    end loop;
end
$$;

update public.alembic_version set version_num = '0017';
notify pgrst, 'reload schema';
