#!/bin/sh
# A branch of a tree, $1 processes deep, each in a session of its own; each says its pid. Told so by
# SIGUSR1, one leaves a child in another session, says its pid, and ends.
trap 'setsid sleep 600 & echo $!; exit' USR1
echo $$
test "$1" = 1 || setsid sh "$0" $(($1 - 1)) &
sleep 600 &
while :; do wait; done
