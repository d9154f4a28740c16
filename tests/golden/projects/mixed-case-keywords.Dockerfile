From alpine:3.22 As Base
Run echo hello
copy a /a
CoPy b /b
from Base
Env A=b
expose 80
cmd ["sh"]
