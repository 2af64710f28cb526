// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

/// The views of NovaAppRegistry that decide who may claim (protocol.md §6).
interface INovaAppRegistry {
    struct AppVersion {
        uint256 id;
        string versionName;
        bytes32 codeMeasurement;
        string imageUri;
        string auditUrl;
        string auditHash;
        string githubRunId;
        uint8 status;
        uint256 enrolledAt;
        address enrolledBy;
    }

    struct RuntimeInstance {
        uint256 id;
        uint256 appId;
        uint256 versionId;
        address operator;
        string instanceUrl;
        bytes teePubkey;
        address teeWalletAddress;
        bool zkVerified;
        uint8 status;
        uint256 registeredAt;
    }

    function getVersion(uint256 appId, uint256 versionId) external view returns (AppVersion memory);

    function getInstanceByWallet(address wallet) external view returns (RuntimeInstance memory);
}

/// The master secret's hash, and who operates KMS nodes. Nodes read the hash alone.
contract KMSRegistry {
    error NotOwner();
    error OnlyNovaAppRegistry();
    error InvalidRegistryAddress();
    error AppIdMismatch();
    error AppIdAlreadySet();
    error MasterSecretHashAlreadySet();
    error NotAuthorizedToSetHash();

    event NovaAppRegistrySet(address registry);
    event KmsAppIdSet(uint256 appId);
    event MasterSecretHashSet(bytes32 indexed hash, address indexed setter);
    event MasterSecretHashReset(address indexed owner);
    event OperatorAdded(address indexed operator, uint256 indexed appId, uint256 versionId, uint256 instanceId);
    event OperatorRemoved(address indexed operator, uint256 indexed appId, uint256 versionId, uint256 instanceId);

    uint8 private constant INSTANCE_ACTIVE = 0;
    uint8 private constant VERSION_ENROLLED = 0;

    address public immutable OWNER;
    address public novaAppRegistry;
    uint256 public kmsAppId;
    bytes32 public masterSecretHash;

    address[] private operators;
    /// Position in `operators` plus one; zero: not there.
    mapping(address => uint256) private position;

    modifier onlyOwner() {
        if (msg.sender != OWNER) revert NotOwner();
        _;
    }

    modifier onlyRegistry() {
        if (msg.sender != novaAppRegistry) revert OnlyNovaAppRegistry();
        _;
    }

    constructor(address owner, address appRegistry) {
        OWNER = owner;
        novaAppRegistry = appRegistry;
    }

    function setKmsAppId(uint256 appId) external onlyOwner {
        if (kmsAppId != 0) revert AppIdAlreadySet();
        kmsAppId = appId;
        emit KmsAppIdSet(appId);
    }

    function setNovaAppRegistry(address registry) external onlyOwner {
        if (registry == address(0)) revert InvalidRegistryAddress();
        novaAppRegistry = registry;
        emit NovaAppRegistrySet(registry);
    }

    /// Once, while the hash is zero, by an ACTIVE instance of the KMS app on an ENROLLED version.
    function setMasterSecretHash(bytes32 hash) external {
        if (masterSecretHash != bytes32(0)) revert MasterSecretHashAlreadySet();
        INovaAppRegistry registry = INovaAppRegistry(novaAppRegistry);
        INovaAppRegistry.RuntimeInstance memory instance = registry.getInstanceByWallet(msg.sender);
        bool mayClaim = hash != bytes32(0) && instance.id != 0 && instance.appId == kmsAppId
            && instance.teeWalletAddress == msg.sender && instance.status == INSTANCE_ACTIVE
            && registry.getVersion(instance.appId, instance.versionId).status == VERSION_ENROLLED;
        if (!mayClaim) revert NotAuthorizedToSetHash();
        masterSecretHash = hash;
        emit MasterSecretHashSet(hash, msg.sender);
    }

    function resetMasterSecretHash() external onlyOwner {
        masterSecretHash = bytes32(0);
        emit MasterSecretHashReset(msg.sender);
    }

    function addOperator(address operator, uint256 appId, uint256 versionId, uint256 instanceId) external onlyRegistry {
        if (appId != kmsAppId) revert AppIdMismatch();
        if (position[operator] == 0) {
            operators.push(operator);
            position[operator] = operators.length;
        }
        emit OperatorAdded(operator, appId, versionId, instanceId);
    }

    function removeOperator(address operator, uint256 appId, uint256 versionId, uint256 instanceId)
        external
        onlyRegistry
    {
        if (appId != kmsAppId) revert AppIdMismatch();
        uint256 at = position[operator];
        if (at != 0) {
            address last = operators[operators.length - 1];
            operators[at - 1] = last;
            position[last] = at;
            operators.pop();
            delete position[operator];
        }
        emit OperatorRemoved(operator, appId, versionId, instanceId);
    }

    function getOperators() external view returns (address[] memory) {
        return operators;
    }

    function isOperator(address account) external view returns (bool) {
        return position[account] != 0;
    }

    function operatorCount() external view returns (uint256) {
        return operators.length;
    }

    function operatorAt(uint256 index) external view returns (address) {
        return operators[index];
    }
}
