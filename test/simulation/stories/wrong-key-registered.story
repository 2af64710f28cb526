# The registry has a teePubkey that differs from that of the running enclave. The node refuses all requests until the registry
# has the right teePubkey.

> cluster nodes=2
> run 20s
a bootstrapping: initializing
b bootstrapping: initializing
a bootstrapping: awaiting on-chain master secret hash
b bootstrapping: awaiting on-chain master secret hash
b bootstrapping: master secret hash not deep enough: claimed by another node
a bootstrapping: master secret hash not deep enough: claimed here
a ready
b syncing-secret: synced master secret hash mismatch: asking the members
b syncing-secret: first snapshot missing
b ready
> fault wrong key registered on b for 2m
> run 90s
b ineligible: local teePubkey mismatch with registry
> get b colour
unready
> run 3m
b ready
> status
a ready
b ready
