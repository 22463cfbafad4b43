-- Makes of a database what a Supabase project is to PostgREST: its roles, their default privileges
-- and `auth.jwt()`. May be run again. https://github.com/supabase/postgres
select format('create role %I nologin noinherit %s', name, rights)
from (values ('anon', ''), ('authenticated', ''), ('service_role', 'bypassrls')) as roles (name, rights)
where not exists (select from pg_roles where rolname = name) \gexec
select 'create role authenticator noinherit'
where not exists (select from pg_roles where rolname = 'authenticator') \gexec
alter role authenticator login password :'password';
grant anon, authenticated, service_role to authenticator;

grant usage on schema public to anon, authenticated, service_role;
alter default privileges in schema public
    grant all on tables to anon, authenticated, service_role;
alter default privileges in schema public
    grant all on functions to anon, authenticated, service_role;
alter default privileges in schema public
    grant all on sequences to anon, authenticated, service_role;

create schema if not exists auth;
grant usage on schema auth to anon, authenticated, service_role;
create or replace function auth.jwt() returns jsonb language sql stable as $$
    select coalesce(
        nullif(current_setting('request.jwt.claim', true), ''),
        nullif(current_setting('request.jwt.claims', true), '')
    )::jsonb
$$;

-- What Supabase's command line keeps account in.
create schema if not exists supabase_migrations;
create table if not exists supabase_migrations.schema_migrations (version text primary key);
