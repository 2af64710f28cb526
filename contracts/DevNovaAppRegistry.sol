// SPDX-License-Identifier: Apache-2.0
pragma solidity ^0.8.30;

import {INovaAppRegistry} from "./KMSRegistry.sol";

interface IOperatorRegistry {
    function kmsAppId() external view returns (uint256);
    function addOperator(address operator, uint256 appId, uint256 versionId, uint256 instanceId) external;
    function removeOperator(address operator, uint256 appId, uint256 versionId, uint256 instanceId) external;
}

/// NovaAppRegistry for development: the views of protocol.md §6 over data that its deployer sets at will.
contract DevNovaAppRegistry is INovaAppRegistry {
    error NotDeployer();

    struct App {
        uint256 id;
        address owner;
        bytes32 teeArch;
        address dappContract;
        string metadataUri;
        uint256 latestVersionId;
        uint256 createdAt;
        uint8 status;
        address appWallet;
    }

    address public immutable DEPLOYER;

    mapping(uint256 => App) private apps;
    mapping(uint256 => mapping(uint256 => AppVersion)) private versions;
    mapping(uint256 => RuntimeInstance) private instances;
    mapping(address => uint256) private instanceOfWallet;
    mapping(uint256 => uint256[]) private instancesOfApp;
    mapping(uint256 => mapping(uint256 => uint256[])) private instancesOfVersion;
    uint256 private lastInstanceId;

    modifier onlyDeployer() {
        if (msg.sender != DEPLOYER) revert NotDeployer();
        _;
    }

    constructor() {
        DEPLOYER = msg.sender;
    }

    function setApp(uint256 appId, address dappContract) external onlyDeployer {
        App storage app = apps[appId];
        app.id = appId;
        app.owner = msg.sender;
        app.teeArch = "nitro";
        app.dappContract = dappContract;
        app.createdAt = block.timestamp;
    }

    function setAppStatus(uint256 appId, uint8 status) external onlyDeployer {
        apps[appId].status = status;
    }

    function setVersion(uint256 appId, uint256 versionId, uint8 status) external onlyDeployer {
        AppVersion storage version = versions[appId][versionId];
        if (version.id == 0) {
            version.id = versionId;
            version.versionName = "dev";
            version.enrolledAt = block.timestamp;
            version.enrolledBy = msg.sender;
        }
        version.status = status;
        if (versionId > apps[appId].latestVersionId) apps[appId].latestVersionId = versionId;
    }

    function register(
        uint256 appId,
        uint256 versionId,
        string calldata instanceUrl,
        bytes calldata teePubkey,
        address wallet,
        bool zkVerified
    ) external onlyDeployer returns (uint256 id) {
        id = ++lastInstanceId;
        instances[id] = RuntimeInstance(
            id, appId, versionId, msg.sender, instanceUrl, teePubkey, wallet, zkVerified, 0, block.timestamp
        );
        instanceOfWallet[wallet] = id;
        instancesOfApp[appId].push(id);
        instancesOfVersion[appId][versionId].push(id);
        _noteOperator(instances[id]);
    }

    function setInstanceStatus(address wallet, uint8 status) external onlyDeployer {
        RuntimeInstance storage instance = instances[instanceOfWallet[wallet]];
        instance.status = status;
        _noteOperator(instance);
    }

    function setTeePubkey(address wallet, bytes calldata teePubkey) external onlyDeployer {
        instances[instanceOfWallet[wallet]].teePubkey = teePubkey;
    }

    function setInstanceUrl(address wallet, string calldata instanceUrl) external onlyDeployer {
        instances[instanceOfWallet[wallet]].instanceUrl = instanceUrl;
    }

    function setZkVerified(address wallet, bool zkVerified) external onlyDeployer {
        instances[instanceOfWallet[wallet]].zkVerified = zkVerified;
    }

    function getApp(uint256 appId) external view returns (App memory) {
        return apps[appId];
    }

    function getVersion(uint256 appId, uint256 versionId) external view returns (AppVersion memory) {
        return versions[appId][versionId];
    }

    function getInstance(uint256 id) external view returns (RuntimeInstance memory) {
        return instances[id];
    }

    function getInstanceByWallet(address wallet) external view returns (RuntimeInstance memory) {
        return instances[instanceOfWallet[wallet]];
    }

    function getActiveInstances(uint256 appId) external view returns (address[] memory active) {
        uint256[] storage ids = instancesOfApp[appId];
        uint256 count;
        for (uint256 i = 0; i < ids.length; i++) if (_isActive(ids[i])) count++;
        active = new address[](count);
        count = 0;
        for (uint256 i = 0; i < ids.length; i++) {
            if (_isActive(ids[i])) active[count++] = instances[ids[i]].teeWalletAddress;
        }
    }

    function getInstancesForVersion(uint256 appId, uint256 versionId) external view returns (uint256[] memory) {
        return instancesOfVersion[appId][versionId];
    }

    /// An instance that was registered again under another id is history.
    function _isActive(uint256 id) private view returns (bool) {
        RuntimeInstance storage instance = instances[id];
        return instance.status == 0 && instanceOfWallet[instance.teeWalletAddress] == id;
    }

    function _noteOperator(RuntimeInstance storage instance) private {
        address registry = apps[instance.appId].dappContract;
        if (registry == address(0)) return;
        if (instance.status == 0) {
            IOperatorRegistry(registry).addOperator(
                instance.teeWalletAddress, instance.appId, instance.versionId, instance.id
            );
        } else {
            IOperatorRegistry(registry).removeOperator(
                instance.teeWalletAddress, instance.appId, instance.versionId, instance.id
            );
        }
    }
}
