# A member sends copies of one key, each with a clock of a thousand fresh entries. What is held is cut, and the cluster goes on.

> cluster nodes=4 apps=1
> run 40s
a bootstrapping: initializing
b bootstrapping: initializing
c bootstrapping: initializing
d bootstrapping: initializing
a bootstrapping: awaiting on-chain master secret hash
b bootstrapping: awaiting on-chain master secret hash
c bootstrapping: awaiting on-chain master secret hash
d bootstrapping: awaiting on-chain master secret hash
c bootstrapping: master secret hash not deep enough: claimed by another node
b bootstrapping: master secret hash not deep enough: claimed by another node
a bootstrapping: master secret hash not deep enough: claimed here
d bootstrapping: master secret hash not deep enough: claimed by another node
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
> put a colour red acks=1
ok, on 1 more
> fault liar: grown clocks on d for 1m
> run 90s
> put a colour blue acks=1
ok, on 1 more
> get c colour
blue
> recover
recovered
