#!/bin/sh
# The database `supabase` beside πlot's own: made where it is missing, and each of supabase/migrations
# applied once. The first argument is the folder of supabase/; libpq's variables say where to.
set -eu
PGDATABASE=postgres psql -XAt -c "select 1 from pg_database where datname = 'supabase'" | grep -q 1 \
    || PGDATABASE=postgres psql -Xqc 'create database supabase'
export PGDATABASE=supabase PGOPTIONS='--client-min-messages=warning'
psql="psql -Xq -v ON_ERROR_STOP=1"
$psql -v password="$PGPASSWORD" -f "$(dirname "$0")/project.sql"
for file in "$1"/migrations/*.sql; do
    version=$(basename "$file" .sql)
    version=${version%%_*}
    done=$($psql -At -c "select count(*) from supabase_migrations.schema_migrations where version = '$version'")
    test "$done" = 0 || continue
    $psql --single-transaction -f "$file" \
        -c "insert into supabase_migrations.schema_migrations values ('$version')"
    echo "$(basename "$file")"
done
