# An instance is stopped and misses writes. Then it is active again, but its node has not noticed that yet. A node without a
# secret gets the secret from this node, but does not treat this node's store as complete (protocol.md §10, First snapshot).

> cluster nodes=4 seed=2 DATA_SYNC_INTERVAL_SECONDS=60
> fault partition on d for 108s
> run 65s
a bootstrapping: initializing
b bootstrapping: initializing
c bootstrapping: initializing
d bootstrapping: initializing
a bootstrapping: awaiting on-chain master secret hash
b bootstrapping: awaiting on-chain master secret hash
c bootstrapping: awaiting on-chain master secret hash
d bootstrapping: awaiting on-chain master secret hash
c bootstrapping: master secret hash not deep enough: claimed by another node
a bootstrapping: master secret hash not deep enough: claimed here
d bootstrapping: master secret hash not deep enough: claimed by another node
b bootstrapping: master secret hash not deep enough: claimed by another node
d syncing-secret: synced master secret hash mismatch: asking the members
b syncing-secret: synced master secret hash mismatch: asking the members
c syncing-secret: synced master secret hash mismatch: asking the members
c syncing-secret: no reachable member holds the master secret
a ready
c syncing-secret: first snapshot missing
c ready
b syncing-secret: no reachable member holds the master secret
d syncing-secret: no reachable member holds the master secret
b syncing-secret: first snapshot missing
b ready
> put a old red acks=2
ok, acks=2
> fault instance stopped on c for 30s
> run 20s
> tick c
> tick a
> tick b
> run 2s
c ineligible: self not in KMS node list
> put a new green acks=1
ok, acks=1
> run 24s
> fault partition on d towards a for 1m
> fault partition on d towards b for 1m
> tick d
> run 1s
d syncing-secret: first snapshot missing
> status
a ready
b ready
c ineligible: self not in KMS node list
d syncing-secret: first snapshot missing
> get d new
unready
> run 5m
c ready
d ready
> status
a ready
b ready
c ready
d ready
> get d new
green
> stores
a: keys 2, records 2, digest 081bdb58
b: keys 2, records 2, digest 081bdb58
c: keys 2, records 2, digest 081bdb58
d: keys 2, records 2, digest 081bdb58
