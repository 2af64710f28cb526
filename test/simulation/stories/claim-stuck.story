# A claim pays too little and stays in the mempool. After ten blocks, the node replaces it with a new claim that has the same nonce.

> cluster nodes=1
> fault claim stuck for 5s
> run 20s
a bootstrapping: initializing
a bootstrapping: awaiting on-chain master secret hash
> run 30s
a bootstrapping: master secret hash not deep enough: claimed here
a ready
> chain
head: the hash of the secret that a holds; 6 blocks deep: the hash of the secret that a holds
