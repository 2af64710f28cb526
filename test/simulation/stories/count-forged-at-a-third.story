# A member gives other nodes a record with a forged, higher count under the clock key of a third node. All nodes still see
# what the third node writes afterwards.

> cluster nodes=4 apps=1 seed=e2
> run 40s
a bootstrapping: initializing
b bootstrapping: initializing
c bootstrapping: initializing
d bootstrapping: initializing
a bootstrapping: awaiting on-chain master secret hash
b bootstrapping: awaiting on-chain master secret hash
c bootstrapping: awaiting on-chain master secret hash
d bootstrapping: awaiting on-chain master secret hash
a bootstrapping: master secret hash not deep enough: claimed here
d bootstrapping: master secret hash not deep enough: claimed by another node
b bootstrapping: master secret hash not deep enough: claimed by another node
c bootstrapping: master secret hash not deep enough: claimed by another node
a ready
b syncing-secret: synced master secret hash mismatch: asking the members
b syncing-secret: first snapshot missing
b ready
c syncing-secret: synced master secret hash mismatch: asking the members
c syncing-secret: first snapshot missing
c ready
d syncing-secret: synced master secret hash mismatch: asking the members
d syncing-secret: first snapshot missing
d ready
> put a key-1 red acks=1
ok, acks=1
> put b key-2 red acks=1
ok, acks=1
> put c key-3 red acks=1
ok, acks=1
> put a key-4 red acks=1
ok, acks=1
> put b key-5 red acks=1
ok, acks=1
> put c key-6 red acks=1
ok, acks=1
> put a key-7 red acks=1
ok, acks=1
> put b key-8 red acks=1
ok, acks=1
> put c key-9 red acks=1
ok, acks=1
> fault liar: others' counts on d for 4m
> run 5m
> put a key-1 blue acks=1
ok, acks=1
> put b key-2 blue acks=1
ok, acks=1
> put c key-3 blue acks=1
ok, acks=1
> run 10s
> get b key-1
blue
> get c key-2
blue
> get a key-3
blue
> recover
recovered
