#!/bin/sh
# Stands in for a lesson in a test: it prints its address and runs until a signal ends it.
echo $$ > "$0.process"
echo "${0##*/}: http://127.0.0.1:9/"
exec sleep 1000
