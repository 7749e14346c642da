#!/bin/sh
# Makes a root that is read-only writable, in memory. dracut runs this when the root is mounted at $NEWROOT.
#
#   kgen.overlay=MIB          the most memory that changes may take
#   kgen.writable=/[,/DIR..]  what can be written to; / is all of it
#   kgen.configure=URL        a script that makes the root this machine's own

command -v getarg >/dev/null || . /lib/dracut-lib.sh

kgen_mib=$(getarg kgen.overlay=) || return 0
kgen_writable=$(getarg kgen.writable=)
kgen_configure=$(getarg kgen.configure=)
kgen_memory=/run/kgen/overlay

modprobe overlay 2>/dev/null
mkdir -p "$kgen_memory"
mount -t tmpfs -o "size=${kgen_mib}m,mode=0755" kgen-overlay "$kgen_memory" ||
    die "kgen: no memory of $kgen_mib MiB for the changes to the root"

kgen_number=0
for kgen_directory in $(echo "${kgen_writable:-/}" | tr , ' '); do
    kgen_number=$((kgen_number + 1))
    kgen_lower=$NEWROOT${kgen_directory%/}
    kgen_own=$kgen_memory/$kgen_number
    mkdir -p "$kgen_own/changes" "$kgen_own/work"
    # A directory that is not in the root cannot be written to either.
    [ -d "$kgen_lower" ] || continue
    mount -t overlay -o "lowerdir=$kgen_lower,upperdir=$kgen_own/changes,workdir=$kgen_own/work" \
        kgen-overlay "$kgen_lower" || die "kgen: $kgen_directory cannot be made writable; has the initrd the driver of overlays?"
done

if [ -n "$kgen_configure" ]; then
    # Not every initrd has this program; the root has.
    kgen_chroot=$(PATH=$PATH:$NEWROOT/usr/sbin:$NEWROOT/usr/bin; command -v chroot)
    for kgen_place in dev proc sys run; do
        mount -o bind "/$kgen_place" "$NEWROOT/$kgen_place"
    done
    # Names are known here from DHCP, and there from nobody yet.
    [ -s "$NEWROOT/etc/resolv.conf" ] || cp /etc/resolv.conf "$NEWROOT/etc/resolv.conf" 2>/dev/null
    # The root's own curl is the one that knows its certificates.
    until "$kgen_chroot" "$NEWROOT" curl --fail --silent --show-error --location --max-time 60 \
        --output /run/kgen/configure "$kgen_configure"; do
        echo "kgen: $kgen_configure is not there; trying again in 10 seconds"
        sleep 10
    done
    # Only what is in memory can be written to for certain.
    TMPDIR=/run/kgen "$kgen_chroot" "$NEWROOT" /bin/bash /run/kgen/configure
    kgen_status=$?
    for kgen_place in run sys proc dev; do
        umount "$NEWROOT/$kgen_place"
    done
    # A machine that is half of itself is worse than none.
    [ "$kgen_status" -eq 0 ] || die "kgen: $kgen_configure did not configure this machine"
fi
