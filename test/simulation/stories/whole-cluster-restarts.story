# All nodes restart at the same time. The secret was only in their memory, so it is lost, and each node reports that.

> cluster nodes=3
> run 20s
a bootstrapping: initializing
b bootstrapping: initializing
c bootstrapping: initializing
a bootstrapping: awaiting on-chain master secret hash
b bootstrapping: awaiting on-chain master secret hash
c bootstrapping: awaiting on-chain master secret hash
c bootstrapping: master secret hash not deep enough: claimed by another node
b bootstrapping: master secret hash not deep enough: claimed by another node
a bootstrapping: master secret hash not deep enough: claimed here
a ready
b syncing-secret: synced master secret hash mismatch: asking the members
b syncing-secret: first snapshot missing
b ready
c syncing-secret: synced master secret hash mismatch: asking the members
c syncing-secret: first snapshot missing
c ready
> put a colour red acks=2
ok, acks=2
> fault crash on a for 5s
> fault crash on b for 5s
> fault crash on c for 5s
> run 3m
a ineligible: initializing
b ineligible: initializing
c ineligible: initializing
a ineligible: local teePubkey mismatch with registry
b ineligible: local teePubkey mismatch with registry
c ineligible: local teePubkey mismatch with registry
a syncing-secret: synced master secret hash mismatch: asking the members
a syncing-secret: no reachable member holds the master secret
c syncing-secret: synced master secret hash mismatch: asking the members
c syncing-secret: no reachable member holds the master secret
b syncing-secret: synced master secret hash mismatch: asking the members
b syncing-secret: no reachable member holds the master secret
> status
a syncing-secret: no reachable member holds the master secret
b syncing-secret: no reachable member holds the master secret
c syncing-secret: no reachable member holds the master secret
> chain
head: a hash whose secret no node has; 6 blocks deep: a hash whose secret no node has
> get a colour
unready
