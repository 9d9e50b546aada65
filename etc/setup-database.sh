#!/bin/sh
# One command to a migrated database:  etc/setup-database.sh [--docker]
#
# The database is the configured one (DATABASE_URL or DB_HOST, in the environment or in .env), or PostgreSQL in a container
# with --docker, or else mainstay's own. What FlexGate's script of this name did, step by step:
#   Docker is looked for          only with --docker: the embedded database needs none
#   .env is made                  from etc/mainstay.env.example, unless there is one
#   PostgreSQL is started         embedded, or in a container; on a configured server the database is made
#   it is waited for              embedded or in a container, with a limit
#   random secrets are made       JWT_SECRET and ENCRYPTION_KEY, in .env, unless they are set there
#   migrations are run
#   sample data are planted       in development only: an administrator, two routes, a webhook, the catalogue
#   connection and logins are shown
set -eu
cd "$(dirname "$0")/.."
mainstay=${CARGO_TARGET_DIR:-target}/debug/mainstay

case "${1:-}" in
    '') ;;
    --docker)
        if ! docker compose version >/dev/null 2>&1; then
            echo "docker compose is missing: install Docker, or leave out --docker for an embedded database" >&2
            exit 1
        fi ;;
    *)
        echo "usage: etc/setup-database.sh [--docker]" >&2
        exit 2 ;;
esac

if [ ! -e .env ]; then
    (umask 077 && cp etc/mainstay.env.example .env)
    echo "made .env with every setting and its default"
fi

for name in JWT_SECRET ENCRYPTION_KEY; do
    if ! grep -q "^$name=." .env; then
        secret=$(od -An -N32 -tx1 /dev/urandom | tr -d ' \n')
        printf '%s=%s\n' "$name" "$secret" >>.env
        echo "made $name, in .env"
    fi
done

if [ "${1:-}" = --docker ]; then
    docker compose -f etc/docker-compose.dev.yml up --detach --wait --wait-timeout 120 postgres
    if ! grep -q '^DATABASE_URL=' .env; then
        echo 'DATABASE_URL=postgres://mainstay:mainstay@127.0.0.1:5432/mainstay?sslmode=disable' >>.env
        echo "set DATABASE_URL in .env to the database in the container"
    fi
fi

make --no-print-directory postgresql $mainstay
# Of a database that is configured, there is no embedded one to tell the state of.
if $mainstay db status >/dev/null 2>&1; then
    $mainstay db start
else
    $mainstay db create
fi
$mainstay migrate
$mainstay migrate status
case "$($mainstay config --json | tr -d ' \n')" in
    *'"name":"APP_ENV","value":"production"'*) ;;
    *)
        $mainstay seed
        echo "log in as admin@flexgate.dev with the password admin123, which everybody knows: never in production" ;;
esac
$mainstay config | grep -E '^ *(DATABASE_URL|DB_HOST|DB_PORT|DB_NAME|DB_USER|MAINSTAY_DATA|HOST|PORT) ' || true
echo "start mainstay with: make run    a prompt on the database: make db-psql"
