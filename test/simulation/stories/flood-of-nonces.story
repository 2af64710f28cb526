# A stranger asks for twenty nonces a second through the platform's ingress, behind which all callers have the same address.
# The node still answers apps.

> cluster nodes=3 apps=1
> run 3m
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
> put a colour red acks=1
ok, acks=1
> fault flood of nonces on a for 1m at 20
> run 30s
> put a colour blue acks=1
ok, acks=1
> get a colour
blue
> recover
recovered
