-- Versions: which one is published, which ones were, who saved them (`pilot.store.publications`).

-- The tables may be there already, by `pilot migrate`.
alter table public.workflows
    add column if not exists published_version integer
        constraint ck_workflows_published_version
        check (published_version between 1 and version),
    add column if not exists publication integer not null default 0;
do $$
begin
    if not exists (
        select from information_schema.columns
        where table_schema = 'public' and table_name = 'workflow_versions'
            and column_name = 'description'
    ) then
        alter table public.workflow_versions
            add column description text not null default '',
            add column created_by text;
        update public.workflow_versions as versions set description = workflows.description
        from public.workflows
        where workflows.id = versions.workflow_id;
    end if;
end
$$;
create table if not exists public.publications (
    workflow_id text not null,
    number integer not null,
    version integer,
    published_at timestamptz not null,
    published_by text,
    note text,
    constraint pk_publications primary key (workflow_id, number),
    constraint fk_publications_workflows
        foreign key (workflow_id) references public.workflows (id),
    constraint fk_publications_workflow_versions foreign key (workflow_id, version)
        references public.workflow_versions (workflow_id, version),
    constraint ck_publications_number check (number >= 1)
);
create index if not exists ix_publications_workflow_id_version_number
    on public.publications (workflow_id, version, number);
update public.alembic_version set version_num = '0010';

-- An editor publishes, in no other name than their own.

alter table public.publications enable row level security;
alter table public.publications force row level security;
revoke all on public.publications from public, anon, authenticated;
grant all on public.publications to service_role;
grant select, insert on public.publications to authenticated;
create policy publications_read on public.publications for select to authenticated using (
    exists (select from public.workflows where workflows.id = publications.workflow_id)
);
create policy publications_add on public.publications for insert to authenticated with check (
    published_by = (select pilot.subject())
    and (
        workflow_id = any ((select pilot.shared_as(2))::text[])
        or exists (
            select from public.workflows
            where workflows.id = publications.workflow_id
                and workflows.owner = (select pilot.tenant_as(2))
        )
    )
);
grant update (published_version, publication) on public.workflows to authenticated;
drop policy workflow_versions_add on public.workflow_versions;
create policy workflow_versions_add on public.workflow_versions for insert to authenticated
with check (
    (created_by is null or created_by = (select pilot.subject()))
    and (
        workflow_id = any ((select pilot.shared_as(2))::text[])
        or exists (
            select from public.workflows
            where workflows.id = workflow_versions.workflow_id
                and workflows.owner = (select pilot.tenant_as(2))
        )
    )
);

-- Workflows and versions, with what is new of them. A user's token says who saves, whatever
-- `p_by` says; it is left out by what is older than it.

drop function public.pilot_create_workflow(text, text, text, text, text, text, timestamptz);
create function public.pilot_create_workflow(
    p_id text, p_owner text, p_name text, p_description text, p_graph text, p_content_hash text,
    p_at timestamptz, p_by text default null
) returns json
language plpgsql set search_path = '' as $$
begin
    insert into public.workflows
        (id, owner, name, description, version, content_hash, created_at, updated_at)
    values (p_id, p_owner, p_name, p_description, 1, p_content_hash, p_at, p_at);
    insert into public.workflow_versions
        (workflow_id, version, name, description, graph, content_hash, created_at, created_by)
    values (
        p_id, 1, p_name, p_description, p_graph::json, p_content_hash, p_at,
        coalesce(pilot.subject(), p_by)
    );
    return to_json(true);
end
$$;

create or replace function public.pilot_get_workflow(p_owner text, p_id text) returns json
language sql stable set search_path = '' as $$
    select row_to_json(found) from (
        select workflows.id, workflows.owner, workflows.name, workflows.description,
            workflows.version, workflows.content_hash, workflows.created_at, workflows.updated_at,
            workflows.published_version, workflows.publication, versions.graph::text as graph
        from public.workflows
        join public.workflow_versions as versions
            on versions.workflow_id = workflows.id and versions.version = workflows.version
        where workflows.id = p_id and workflows.owner = p_owner and workflows.deleted_at is null
    ) as found
$$;

create or replace function public.pilot_list_workflows(
    p_owner text, p_size integer, p_before timestamptz, p_before_id text
) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select id, name, description, version, created_at, updated_at, published_version,
            publication
        from public.workflows
        where owner = p_owner and deleted_at is null
            and (created_at, id) < (coalesce(p_before, 'infinity'), coalesce(p_before_id, ''))
        order by created_at desc, id desc
        limit p_size
    ) as found
$$;

create or replace function public.pilot_shared_with(
    p_grantees text[], p_size integer, p_before timestamptz, p_before_id text
) returns json
language sql stable set search_path = '' as $$
    select coalesce(json_agg(found), '[]') from (
        select id, owner, name, description, version, created_at, updated_at, published_version,
            publication, rank
        from public.workflows
        join (
            select workflow_id, max(pilot.rank_of(role)) as rank
            from public.shares
            where grantee = any (p_grantees)
            group by workflow_id
        ) as granted on granted.workflow_id = workflows.id
        where deleted_at is null
            and (created_at, id) < (coalesce(p_before, 'infinity'), coalesce(p_before_id, ''))
        order by created_at desc, id desc
        limit p_size
    ) as found
$$;

drop function public.pilot_update_workflow(text, text, text, text, text, text, integer);
create function public.pilot_update_workflow(
    p_owner text, p_id text, p_name text, p_description text, p_graph text, p_content_hash text,
    p_expected integer, p_by text default null
) returns json
language plpgsql set search_path = '' as $$
declare
    v_row public.workflows;
    v_now timestamptz := clock_timestamp();
begin
    select * into v_row from public.workflows
    where id = p_id and owner = p_owner and deleted_at is null
    for update;
    if not found then
        perform pilot.missing(format('there is no workflow %s', p_id));
    end if;
    if p_expected <> v_row.version then
        perform pilot.refused('stale_version', format(
            'workflow %s is at version %s, not %s: somebody saved in between; read it again and '
            'repeat the change', p_id, v_row.version, p_expected
        ));
    end if;
    if (p_name, p_description, p_content_hash)
        is distinct from (v_row.name, v_row.description, v_row.content_hash)
    then
        insert into public.workflow_versions
            (workflow_id, version, name, description, graph, content_hash, created_at, created_by)
        values (
            p_id, v_row.version + 1, p_name, p_description, p_graph::json, p_content_hash, v_now,
            coalesce(pilot.subject(), p_by)
        );
        update public.workflows
        set name = p_name, description = p_description, version = v_row.version + 1,
            content_hash = p_content_hash, updated_at = v_now
        where id = p_id
        returning * into v_row;
    end if;
    return json_build_object(
        'version', v_row.version, 'created_at', v_row.created_at, 'updated_at', v_row.updated_at,
        'published_version', v_row.published_version, 'publication', v_row.publication
    );
end
$$;

create or replace function public.pilot_get_version(p_owner text, p_id text, p_version integer)
returns json
language sql stable set search_path = '' as $$
    select row_to_json(found) from (
        select versions.workflow_id, versions.version, versions.name, versions.description,
            versions.graph::text as graph, versions.content_hash, versions.created_at,
            versions.created_by
        from public.workflow_versions as versions
        join public.workflows on workflows.id = versions.workflow_id
        where versions.workflow_id = p_id and versions.version = p_version
            and workflows.owner = p_owner
    ) as found
$$;

-- Publications. Without a version the workflow is taken offline.

create function public.pilot_publish(
    p_owner text, p_id text, p_version integer, p_by text, p_note text, p_expected integer,
    p_expected_publication integer
) returns json
language plpgsql set search_path = '' as $$
declare
    v_row public.workflows;
    v_last public.publications;
begin
    select * into v_row from public.workflows
    where id = p_id and owner = p_owner and deleted_at is null
    for update;
    if not found then
        perform pilot.missing(format('there is no workflow %s', p_id));
    end if;
    if p_expected <> v_row.version then
        perform pilot.refused('stale_version', format(
            'workflow %s is at version %s, not %s: somebody saved in between',
            p_id, v_row.version, p_expected
        ));
    end if;
    if p_expected_publication <> v_row.publication then
        perform pilot.refused('stale_version', format(
            'somebody published another version of workflow %s in between', p_id
        ));
    end if;
    if p_version is not null and not exists (
        select from public.workflow_versions where workflow_id = p_id and version = p_version
    ) then
        perform pilot.missing(format('there is no version %s of workflow %s', p_version, p_id));
    end if;
    if p_version is null and v_row.publication = 0 then
        perform pilot.refused('not_published', format(
            'no version of workflow %s was ever published', p_id
        ));
    end if;
    if v_row.publication > 0 and v_row.published_version is not distinct from p_version then
        select * into v_last from public.publications
        where workflow_id = p_id and number = v_row.publication;
        if p_note is null or p_note is not distinct from v_last.note then
            return row_to_json(v_last);
        end if;
    end if;
    insert into public.publications
        (workflow_id, number, version, published_at, published_by, note)
    values (
        p_id, v_row.publication + 1, p_version, clock_timestamp(),
        coalesce(pilot.subject(), p_by), p_note
    )
    returning * into v_last;
    update public.workflows
    set published_version = p_version, publication = v_last.number
    where id = p_id;
    return row_to_json(v_last);
end
$$;

create function public.pilot_publication_of(p_owner text, p_id text, p_version integer)
returns json
language sql stable set search_path = '' as $$
    select row_to_json(publications) from public.publications
    join public.workflows on workflows.id = publications.workflow_id
    where workflow_id = p_id and publications.version = p_version
        and workflows.owner = p_owner and workflows.deleted_at is null
    order by number desc
    limit 1
$$;

create function public.pilot_list_versions(
    p_owner text, p_id text, p_size integer, p_before integer
) returns json
language sql stable set search_path = '' as $$
    select (
        select coalesce(json_agg(found), '[]') from (
            select versions.workflow_id, versions.version, versions.name, versions.description,
                versions.content_hash, versions.created_at, versions.created_by,
                last.number, last.published_at, last.published_by, last.note,
                workflows.published_version
            from public.workflow_versions as versions
            left join lateral (
                select * from public.publications
                where publications.workflow_id = versions.workflow_id
                    and publications.version = versions.version
                order by publications.number desc
                limit 1
            ) as last on true
            where versions.workflow_id = workflows.id
                and (p_before is null or versions.version < p_before)
            order by versions.version desc
            limit p_size
        ) as found
    )
    from public.workflows
    where id = p_id and owner = p_owner and deleted_at is null
$$;

do $$
declare
    v_function regprocedure;
begin
    for v_function in
        select oid::regprocedure from pg_proc
        where pronamespace = 'public'::regnamespace and proname = any (array[
            'pilot_create_workflow', 'pilot_update_workflow', 'pilot_publish',
            'pilot_publication_of', 'pilot_list_versions'
        ])
    loop
        execute format('revoke all on function %s from public, anon, authenticated', v_function);
        execute format('grant execute on function %s to authenticated, service_role', v_function);
    end loop;
end
$$;
notify pgrst, 'reload schema';
