#!/bin/sh
# What the tests use beyond wheels, on a Debian or an Ubuntu: PostgreSQL 15, PgBouncer, HAProxy, a Redis (or Valkey),
# and the packages named as arguments. Only binaries are wanted: no cluster is made. Run as root.
set -eu
mkdir -p /etc/postgresql-common
grep -qs '^create_main_cluster' /etc/postgresql-common/createcluster.conf \
  || echo 'create_main_cluster = false' >> /etc/postgresql-common/createcluster.conf
export DEBIAN_FRONTEND=noninteractive
apt-get update -qq
if ! apt-cache show postgresql-15 > /dev/null 2>&1; then
  # Ubuntu has another version; PostgreSQL's own packages have them all.
  apt-get install -y -qq --no-install-recommends postgresql-common ca-certificates
  /usr/share/postgresql-common/pgdg/apt.postgresql.org.sh -y
fi
store=redis-server
if apt-cache show valkey-server > /dev/null 2>&1; then store=valkey-server; fi
apt-get install -y -qq --no-install-recommends postgresql-15 pgbouncer haproxy "$store" "$@"
