# The version of one node is revoked. At its next tick, the node stops answering requests and reports the reason. It answers
# requests again when the version is enrolled again.

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
> fault version revoked on b for 3m
> run 90s
b ineligible: self not in KMS node list: version is REVOKED
> derive b path
unready
> derive a path
key of 32 bytes
> run 3m
b ready
> derive b path
key of 32 bytes
