# Two nodes restart with empty stores. The third node gives them the secret, but sends a snapshot that never ends. Neither new
# node treats the other's empty store as complete. Only after three failed ticks in a row do they continue without a snapshot,
# and they report that.

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
> fault liar: endless snapshot on a for 20m
> fault crash on b for 2s
> fault crash on c for 2s
> run 90s
b ineligible: initializing
c ineligible: initializing
b ineligible: local teePubkey mismatch with registry
c ineligible: local teePubkey mismatch with registry
c syncing-secret: synced master secret hash mismatch: asking the members
c syncing-secret: no reachable member holds the master secret
b syncing-secret: synced master secret hash mismatch: asking the members
b syncing-secret: no reachable member holds the master secret
b syncing-secret: first snapshot missing
> status
a ready
b syncing-secret: first snapshot missing
c syncing-secret: no reachable member holds the master secret
> run 10m
c syncing-secret: first snapshot missing
b ready
c ready
> status
a ready
b ready
c ready
> put b colour green
ok
> get c colour
green
