# Three nodes start at the same moment, and each claims the hash of its own secret. The chain accepts one claim. The two other
# nodes see that, ask the winner for its secret, and never hand out the secrets that they made (protocol.md §9.22).

> cluster nodes=3
> run 5s
a bootstrapping: initializing
b bootstrapping: initializing
c bootstrapping: initializing
a bootstrapping: awaiting on-chain master secret hash
b bootstrapping: awaiting on-chain master secret hash
c bootstrapping: awaiting on-chain master secret hash
c bootstrapping: master secret hash not deep enough: claimed by another node
b bootstrapping: master secret hash not deep enough: claimed by another node
a bootstrapping: master secret hash not deep enough: claimed here
> chain
head: the hash of the secret that a holds; 6 blocks deep: no hash
> run 15s
a ready
b syncing-secret: synced master secret hash mismatch: asking the members
b syncing-secret: first snapshot missing
b ready
c syncing-secret: synced master secret hash mismatch: asking the members
c syncing-secret: first snapshot missing
c ready
> chain
head: the hash of the secret that a, b, c hold; 6 blocks deep: the hash of the secret that a, b, c hold
> derive a path
key of 32 bytes
> derive b path
key of 32 bytes
> derive c path
key of 32 bytes
