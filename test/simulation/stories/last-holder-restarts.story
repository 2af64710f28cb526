# The only node that holds the secret restarts before a second node has it. The chain still shows the hash, and no node can
# ever have a secret with this hash again. Both nodes report that until the owner resets the hash.

> cluster nodes=2
> fault partition on a towards b for 10m
> run 20s
a bootstrapping: initializing
b bootstrapping: initializing
a bootstrapping: awaiting on-chain master secret hash
b bootstrapping: awaiting on-chain master secret hash
b bootstrapping: master secret hash not deep enough: claimed by another node
a bootstrapping: master secret hash not deep enough: claimed here
a ready
b syncing-secret: synced master secret hash mismatch: asking the members
b syncing-secret: no reachable member holds the master secret
> status
a ready
b syncing-secret: no reachable member holds the master secret
> fault crash on a for 5s
> fault crash on b for 5s
> run 2m
a ineligible: initializing
b ineligible: initializing
a ineligible: local teePubkey mismatch with registry
b ineligible: local teePubkey mismatch with registry
a syncing-secret: synced master secret hash mismatch: asking the members
b syncing-secret: synced master secret hash mismatch: asking the members
b syncing-secret: no reachable member holds the master secret
a syncing-secret: no reachable member holds the master secret
> status
a syncing-secret: no reachable member holds the master secret
b syncing-secret: no reachable member holds the master secret
> chain
head: a hash whose secret no node has; 6 blocks deep: a hash whose secret no node has
> reset
> run 3m
a bootstrapping: awaiting on-chain master secret hash
a bootstrapping: master secret hash not deep enough: claimed here
a ready
> status
a ready
b syncing-secret: no reachable member holds the master secret
