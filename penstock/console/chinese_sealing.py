"""Errors about the keys that seal customers' data, in Chinese."""

from __future__ import annotations

SEALING_ERRORS = {
    "the keyring lacks key {id}; it has {have}": "密钥环中缺少密钥 {id}，现有：{have}",
    "the keyring is not there, and key {id} is needed to read what is kept of customers": (
        "找不到密钥环文件；读取已保存的客户数据需要密钥 {id}"
    ),
    "put the file back (each backup with secrets holds it), or say where it is: [storage] keyring, or "
    "PENSTOCK_KEYRING. If it is lost for good: {guide}": (
        "请放回该文件（每个含机密的备份中都有），或用 [storage] keyring 或 PENSTOCK_KEYRING 指明其位置。"
        "若已彻底丢失，请见 {guide}"
    ),
    "the keyring cannot be read: {reason}": "无法读取密钥环：{reason}",
    "the keyring cannot be written: {reason}": "无法写入密钥环：{reason}",
    "run this as the user, and on the machine, that may write it": "请在有写入权限的机器上，以有权限的用户运行",
    "this is no keyring, or it was damaged": "这不是密钥环文件，或文件已损坏",
    "put back a copy of it: {guide}": "请放回其副本，见 {guide}",
    "a sealed value was altered, or put where it does not belong": "加密数据被改动过，或被移到了别处",
    "restore a backup": "请从备份恢复",
    "this store was opened without a keyring, and what customers send is kept sealed only": (
        "打开数据库时没有提供密钥环，而客户数据只以加密形式保存"
    ),
    "there is no key {id}": "没有密钥 {id}",
    "it seals new values": "新数据正由此密钥加密",
    "make another one first: penstock sealing rotate": "请先换用新密钥：penstock sealing rotate",
    "it still seals {count} values": "此密钥仍加密着 {count} 项数据",
    "seal them anew: penstock sealing reseal": "请重新加密这些数据：penstock sealing reseal",
    "the key is retired already": "此密钥已停用",
    "the key is lost already": "此密钥已按丢失处理",
    "the keyring has this key: nothing is lost": "密钥环中有此密钥：没有数据丢失",
    "somebody has been reading the keys for {count} minutes": "密钥表已被持续读取 {count} 分钟",
    "a backup may be under way: run this again when it has ended; new values still get the old key": (
        "可能正在备份：请待其结束后重新运行；在此之前，新数据仍由旧密钥加密"
    ),
}
