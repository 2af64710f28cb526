# The owner resets the hash while a node fetches the secret with this hash. The fetched secret is never used, and all nodes
# start again with a new secret.

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
> fault enclave slow on c for 60s at 400
> fault crash on c for 2s
> run 10s
c ineligible: initializing
c ineligible: local teePubkey mismatch with registry
> reset
> run 30s
c syncing-secret: synced master secret hash mismatch: asking the members
c syncing-secret: no reachable member holds the master secret
c bootstrapping: awaiting on-chain master secret hash
c bootstrapping: master secret hash not deep enough: claimed here
> run 60s
c ready
a syncing-secret: synced master secret hash mismatch: asking the members
b syncing-secret: synced master secret hash mismatch: asking the members
a syncing-secret: first snapshot missing
b syncing-secret: first snapshot missing
a ready
b ready
> status
a ready
b ready
c ready
> chain
head: the hash of the secret that a, b, c hold; 6 blocks deep: the hash of the secret that a, b, c hold
