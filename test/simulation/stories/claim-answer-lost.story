# The RPC accepts the claims, but fails before it can answer. No node claims twice, because each node then looks at the head
# of the chain, which shows the claim.

> cluster nodes=2
> fault claim answer lost for 5s
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
> chain
head: the hash of the secret that a, b hold; 6 blocks deep: the hash of the secret that a, b hold
