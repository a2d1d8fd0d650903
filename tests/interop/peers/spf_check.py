"""Says what pyspf says of senders, by the name server on a port of this machine.

Request: {"port": …, "checks": [{"ip": …, "sender": …, "helo": …}]}. Answer: a list of
{"result": …, "explanation": …}, the explanation null where the domain gives none.
"""

import json
import sys

# Where Debian's packages lie, should this be a Python from elsewhere.
sys.path.append("/usr/lib/python3/dist-packages")
try:
    import dns.resolver
    import spf
except ImportError as error:
    sys.exit(f"{error}: apt-get install python3-spf python3-dnspython")

NONE = "no explanation"
request = json.load(sys.stdin)
resolver = dns.resolver.Resolver(configure=False)
resolver.nameservers = ["127.0.0.1"]
resolver.port = request["port"]
dns.resolver.default_resolver = resolver


def check(ip, sender, helo):
    query = spf.query(i=ip, s=sender, h=helo)
    query.set_default_explanation(NONE)
    result, _, explanation = query.check()
    given = result == "fail" and explanation != NONE
    return {"result": result, "explanation": explanation if given else None}


json.dump([check(**wanted) for wanted in request["checks"]], sys.stdout)
