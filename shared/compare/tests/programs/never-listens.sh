#!/bin/sh
# Stands in for a lesson that needs very long to start.
echo $$ > "$0.process"
exec sleep 1000
