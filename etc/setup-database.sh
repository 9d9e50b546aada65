#!/bin/sh
# One command to a running mainstay with its database:  etc/setup-database.sh [--docker]
#
# Without --docker the database is mainstay's own. What FlexGate's script of this name did, step by step:
#   Docker is looked for          only with --docker: the embedded database needs none
#   .env is made                  from etc/mainstay.env.example, unless there is one
#   PostgreSQL is started         embedded, or in a container
#   it is waited for              both ways, with a limit
#   migrations are run
#   the connection is shown
# Not needed yet: a random JWT secret and sample data, which come with the users they are for.
set -eu
cd "$(dirname "$0")/.."

if [ ! -e .env ]; then
    cp etc/mainstay.env.example .env
    chmod 600 .env
    echo "made .env with every setting and its default"
fi

if [ "${1:-}" = --docker ]; then
    if ! docker compose version >/dev/null 2>&1; then
        echo "docker compose is missing: install Docker, or leave out --docker for an embedded database" >&2
        exit 1
    fi
    docker compose -f etc/docker-compose.dev.yml up --detach --wait postgres
    DATABASE_URL=postgres://mainstay:mainstay@127.0.0.1:5432/mainstay?sslmode=disable
    export DATABASE_URL
    echo "the database is $DATABASE_URL; put that line into .env to keep it"
else
    make --no-print-directory db-start
fi

make --no-print-directory migrate
make --no-print-directory migrate-status
echo "start mainstay with: make run"
