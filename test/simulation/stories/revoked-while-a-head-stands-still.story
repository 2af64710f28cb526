# The registry removes a member while the RPC of another node is stuck at one block. The removed member keeps asking that node
# for the secret, and gets it only until that node's last view of the chain is too old.

> cluster nodes=3
> run 40s
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
> fault chain head stands still on a for 8m
> fault liar: revoked and asking on c for 7m
> run 9m
c ineligible: self not in KMS node list
c ready
> status
a ready
b ready
c ready
> recover
recovered
