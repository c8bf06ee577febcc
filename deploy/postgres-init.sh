#!/bin/sh
# Runs in PostgreSQL's container, once, when its volume is empty: the database, and for it a login
# that may make roles and is no superuser. What serves callers never knows the superuser's password.
set -eu

psql --quiet --set ON_ERROR_STOP=1 --username "$POSTGRES_USER" --dbname postgres <<'SQL'
\set password `cat /run/secrets/tallystick_password`
CREATE ROLE tallystick LOGIN CREATEROLE PASSWORD :'password';
-- Sorted by code points: no index changes its order when the C library of a newer image does.
CREATE DATABASE tallystick OWNER tallystick TEMPLATE template0 ENCODING 'UTF8' LOCALE 'C.UTF-8';
REVOKE CONNECT ON DATABASE postgres FROM PUBLIC;
SQL
