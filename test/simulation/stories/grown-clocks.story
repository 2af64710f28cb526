# A member sends records with more and more clock entries. Nodes limit the size of the clocks that they hold, so that they can
# still send snapshots. Each node is restarted in turn, and then every write is still there (protocol.md §10, Bounds).

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
> fault liar: grown clocks on b for 60s
> run 70s
> fault crash on a for 5s
> run 2m
a ineligible: initializing
a ineligible: local teePubkey mismatch with registry
a syncing-secret: synced master secret hash mismatch: asking the members
a syncing-secret: no reachable member holds the master secret
a syncing-secret: first snapshot missing
a ready
> fault crash on b for 5s
> run 2m
b ineligible: initializing
b ineligible: local teePubkey mismatch with registry
b syncing-secret: synced master secret hash mismatch: asking the members
b syncing-secret: no reachable member holds the master secret
b syncing-secret: first snapshot missing
b ready
> fault crash on c for 5s
> run 2m
c ineligible: initializing
c ineligible: local teePubkey mismatch with registry
c syncing-secret: synced master secret hash mismatch: asking the members
c syncing-secret: no reachable member holds the master secret
c syncing-secret: first snapshot missing
c ready
> get a colour
red
> get b colour
red
> get c colour
red
> put c shape round acks=2
ok, acks=2
> run 30s
> stores
a: keys 19, records 19, digest e0566b23
b: keys 19, records 19, digest e0566b23
c: keys 19, records 19, digest e0566b23
