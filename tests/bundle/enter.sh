# enter.sh ROOT BUNDLE PLACE ACCESS USER COMMAND...: what COMMAND sees is ROOT, with the bundle at PLACE.
#
# In a mount namespace of its own, so that nothing stays mounted. ACCESS is rw or ro, to ROOT; USER is
# a number. If there is no folder proc in ROOT, there is no /proc. COMMAND may be process 1.
set -eu
root=$1 bundle=$2 place=$3 access=$4 user=$5
shift 5
mount --bind "$root" "$root"
if [ $$ = 1 ]; then
    mount -t proc proc "$root/proc"
elif [ -d "$root/proc" ]; then
    mount --rbind /proc "$root/proc"
fi
mount --bind /dev/null "$root/dev/null"
if [ -d "$root$place" ]; then
    mount --bind "$bundle" "$root$place"
    mount -o remount,bind,ro "$root$place"
fi
if [ -d "$root/writable" ]; then
    mount --bind "$root/writable" "$root/writable"
fi
mount -o "remount,bind,$access" "$root"
set -- "$root" "$@"
[ "$user" = 0 ] || set -- --userspec="+$user:+$user" "$@"
exec chroot "$@"
