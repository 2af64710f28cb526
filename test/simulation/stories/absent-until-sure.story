# A node restarts with an empty store. One member sends an empty snapshot and claims that it is complete. The other member
# cannot be reached for a while. The node returns values that were written to it after the restart. But it says that a key is
# absent only after the other member has answered (protocol.md §10, "404 means absent").

> cluster nodes=3
> run 30s
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
> put a wallet blue acks=2
ok, acks=2
> fault liar: empty snapshot on b for 10m
> fault partition on c towards a for 100s
> fault crash on c for 3s
> run 75s
c ineligible: initializing
c ineligible: local teePubkey mismatch with registry
c syncing-secret: synced master secret hash mismatch: asking the members
c syncing-secret: no reachable member holds the master secret
c syncing-secret: first snapshot missing
c ready
> get c nothing
unready
> list c
unready
> put c own green
ok
> get c own
green
> run 60s
> get c wallet
blue
> get c nothing
not_found
> list c
own wallet
