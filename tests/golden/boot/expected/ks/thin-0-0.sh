#!/bin/bash
# Configures thin-0-0, which has no disk, when it boots.
kgen_script=$(mktemp) || exit 1
trap 'rm -f "$kgen_script"' EXIT
kgen_failed=0

cat >"$kgen_script" <<'KGEN-END'
cat > /etc/hosts <<'KGEN_EOF'
127.0.0.1 localhost localhost.localdomain localhost4 localhost4.localdomain4
::1 localhost localhost.localdomain localhost6 localhost6.localdomain6
10.1.2.1 arm-0-0.boot.example.org arm-0-0
10.1.4.1 bond-0-0.boot.example.org bond-0-0
192.0.2.44 bond-0-0-outside.boot.example.org bond-0-0-outside
10.1.255.254 compute-0-0.boot.example.org compute-0-0
fd00:1::10 compute-0-0.boot.example.org compute-0-0
10.1.255.253 compute-0-1.boot.example.org compute-0-1
fd00:1::f compute-0-1.boot.example.org compute-0-1
10.1.8.1 disk-0-0.boot.example.org disk-0-0
10.4.0.10 flash-0-0.boot.example.org flash-0-0
10.1.1.1 front.boot.example.org front
fd00:1::1 front.boot.example.org front
192.0.2.10 front-outside.boot.example.org front-outside
10.1.7.1 memory-0-0.boot.example.org memory-0-0
10.3.0.10 new-0-0.far.example.org new-0-0
10.1.5.1 odd-0-0.boot.example.org odd-0-0
10.1.6.1 rescue-0-0.boot.example.org rescue-0-0
10.1.9.1 thin-0-0.boot.example.org thin-0-0
KGEN_EOF

cat > /etc/servers <<'KGEN_EOF'
beside 10.4.0.2
outside 192.0.2.10
private 10.1.1.1
KGEN_EOF

cat > /etc/dnsmasq.d/names <<'KGEN_EOF'
# Names
local=/boot.example.org/
host-record=arm-0-0.boot.example.org,arm-0-0,10.1.2.1
host-record=bond-0-0.boot.example.org,bond-0-0,10.1.4.1
host-record=bond-0-0-outside.boot.example.org,bond-0-0-outside,192.0.2.44
host-record=compute-0-0.boot.example.org,compute-0-0,10.1.255.254
host-record=compute-0-0.boot.example.org,compute-0-0,fd00:1::10
host-record=compute-0-1.boot.example.org,compute-0-1,10.1.255.253
host-record=compute-0-1.boot.example.org,compute-0-1,fd00:1::f
host-record=disk-0-0.boot.example.org,disk-0-0,10.1.8.1
host-record=flash-0-0.boot.example.org,flash-0-0,10.4.0.10
host-record=front.boot.example.org,front,10.1.1.1
host-record=front.boot.example.org,front,fd00:1::1
host-record=front-outside.boot.example.org,front-outside,192.0.2.10
host-record=memory-0-0.boot.example.org,memory-0-0,10.1.7.1
host-record=new-0-0.far.example.org,new-0-0,10.3.0.10
host-record=odd-0-0.boot.example.org,odd-0-0,10.1.5.1
host-record=rescue-0-0.boot.example.org,rescue-0-0,10.1.6.1
host-record=thin-0-0.boot.example.org,thin-0-0,10.1.9.1
KGEN_EOF

cat > /var/named/zone <<'KGEN_EOF'
; boot.example.org
$TTL 3600
@ IN SOA front.boot.example.org. hostmaster.boot.example.org. ( 888469475 3600 600 604800 600 )
@ IN NS front.boot.example.org.
arm-0-0 IN A 10.1.2.1
bond-0-0 IN A 10.1.4.1
bond-0-0-outside IN A 192.0.2.44
compute-0-0 IN A 10.1.255.254
compute-0-0 IN AAAA fd00:1::10
compute-0-1 IN A 10.1.255.253
compute-0-1 IN AAAA fd00:1::f
disk-0-0 IN A 10.1.8.1
flash-0-0 IN A 10.4.0.10
front IN A 10.1.1.1
front IN AAAA fd00:1::1
front-outside IN A 192.0.2.10
memory-0-0 IN A 10.1.7.1
odd-0-0 IN A 10.1.5.1
rescue-0-0 IN A 10.1.6.1
thin-0-0 IN A 10.1.9.1
KGEN_EOF
KGEN-END
'/bin/bash' "$kgen_script" || kgen_failed=1

exit $kgen_failed
