#!/bin/sh
# The sysctls and queues of these are the network's and the IPC namespace's: so it is no harm
# to the machine where the suite does not keep them.
echo 1 >/proc/sys/net/ipv4/ip_forward
ipcmk --queue >/dev/null
exit 3
