#!/bin/sh
# Stands in for a lesson that hangs: it prints its address, and SIGTERM does not end it.
trap '' TERM
echo $$ > "$0.process"
echo "${0##*/}: http://127.0.0.1:9/"
exec sleep 1000
