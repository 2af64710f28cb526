/** ABIs of the contracts (protocol.md §6): every function, error and event that a node or its tools use. */
import { parseAbi } from 'viem';

export const novaAppRegistryAbi = parseAbi([
  'struct App { uint256 id; address owner; bytes32 teeArch; address dappContract; string metadataUri; uint256 latestVersionId; uint256 createdAt; uint8 status; address appWallet; }',
  'struct AppVersion { uint256 id; string versionName; bytes32 codeMeasurement; string imageUri; string auditUrl; string auditHash; string githubRunId; uint8 status; uint256 enrolledAt; address enrolledBy; }',
  'struct RuntimeInstance { uint256 id; uint256 appId; uint256 versionId; address operator; string instanceUrl; bytes teePubkey; address teeWalletAddress; bool zkVerified; uint8 status; uint256 registeredAt; }',
  'function getApp(uint256 appId) view returns (App)',
  'function getVersion(uint256 appId, uint256 versionId) view returns (AppVersion)',
  'function getInstance(uint256 id) view returns (RuntimeInstance)',
  'function getInstanceByWallet(address wallet) view returns (RuntimeInstance)',
  'function getActiveInstances(uint256 appId) view returns (address[])',
  'function getInstancesForVersion(uint256 appId, uint256 versionId) view returns (uint256[])',
]);

export const kmsRegistryAbi = parseAbi([
  'function OWNER() view returns (address)',
  'function kmsAppId() view returns (uint256)',
  'function novaAppRegistry() view returns (address)',
  'function masterSecretHash() view returns (bytes32)',
  'function getOperators() view returns (address[])',
  'function isOperator(address account) view returns (bool)',
  'function operatorCount() view returns (uint256)',
  'function operatorAt(uint256 index) view returns (address)',
  'function setKmsAppId(uint256 appId)',
  'function setNovaAppRegistry(address registry)',
  'function setMasterSecretHash(bytes32 hash)',
  'function resetMasterSecretHash()',
  'function addOperator(address operator, uint256 appId, uint256 versionId, uint256 instanceId)',
  'function removeOperator(address operator, uint256 appId, uint256 versionId, uint256 instanceId)',
  'error NotOwner()',
  'error OnlyNovaAppRegistry()',
  'error InvalidRegistryAddress()',
  'error AppIdMismatch()',
  'error AppIdAlreadySet()',
  'error MasterSecretHashAlreadySet()',
  'error NotAuthorizedToSetHash()',
  'event NovaAppRegistrySet(address registry)',
  'event KmsAppIdSet(uint256 appId)',
  'event MasterSecretHashSet(bytes32 indexed hash, address indexed setter)',
  'event MasterSecretHashReset(address indexed owner)',
  'event OperatorAdded(address indexed operator, uint256 indexed appId, uint256 versionId, uint256 instanceId)',
  'event OperatorRemoved(address indexed operator, uint256 indexed appId, uint256 versionId, uint256 instanceId)',
]);
