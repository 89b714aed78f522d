#!/bin/sh
# Ends the servers of a process that is gone. Standard input comes from that process: a line for
# each server started or stopped, and the end of input when the process itself ends, however that
# came about. The first argument is the servers' folder, removed unless told to keep it.
trap '' HUP INT TERM
groups=
keep=
while read -r word group; do
    case $word in
    start) groups="$groups $group" ;;
    stop)
        left=
        for other in $groups; do
            [ "$other" = "$group" ] || left="$left $other"
        done
        groups=$left
        ;;
    keep) keep=yes ;;
    esac
done
for group in $groups; do
    kill -s KILL -- "-$group" 2>/dev/null
done
[ -n "$keep" ] || rm -rf -- "$1"
