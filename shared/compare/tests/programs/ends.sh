#!/bin/sh
# Stands in for a lesson that cannot start.
exit 1
