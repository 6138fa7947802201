"""Errors about certificates, keys, proxies and sign-ins that were held off, in Chinese."""

from __future__ import annotations

NETWORK_ERRORS = {
    "there is no certificate": "没有证书",
    "{file} cannot be read: {reason}": "无法读取 {file}：{reason}",
    "the path is relative to the workspace's folder": "路径相对于工作区文件夹",
    "{file} is locked with a passphrase": "{file} 设有口令",
    "nobody is there to type it when Penstock starts: store the key without one, readable by you only": (
        "Penstock 启动时无人可输入口令：请存放不设口令、仅您可读的私钥"
    ),
    "{file} holds no private key in PEM": "{file} 中没有 PEM 格式的私钥",
    "{file} holds no certificate in PEM": "{file} 中没有 PEM 格式的证书",
    "a text file with -----BEGIN ... in it is wanted": "应为含有 -----BEGIN ... 的文本文件",
    "{file} does not belong to the certificate": "{file} 与证书不匹配",
    "the file begins with the server's own certificate; those of its issuers follow": (
        "文件应以服务器自己的证书开头，其后为签发者的证书"
    ),
    "{text} is no address and no network": "{text} 不是地址，也不是网段",
    'write e.g. "127.0.0.1" or "10.0.0.0/8"': '请写成如 "127.0.0.1" 或 "10.0.0.0/8"',
    "{text} is everybody": "{text} 包括所有人",
    "name the addresses of your proxies": "请写明您的代理服务器的地址",
    'write e.g. proxies = ["127.0.0.1"]': '请写成如 proxies = ["127.0.0.1"]',
    'write e.g. certificate = "tls/server.pem"': '请写成如 certificate = "tls/server.pem"',
    'write e.g. key = "tls/server.key"': '请写成如 key = "tls/server.key"',
    "too many sign-ins from your address were refused": "来自您所在地址的登录被拒绝次数过多",
    "wait a minute, or use a link: penstock sign-in": "请稍候一分钟，或使用登录链接：penstock sign-in",
}
