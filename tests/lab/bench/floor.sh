set -e
cat > /etc/systemd/system/demo.service.n <<X
[Unit]
Description=Demo $(hostname)
[Service]
ExecStart=/usr/bin/python3 -m http.server 8080 --bind 127.0.0.1
Restart=on-failure
[Install]
WantedBy=multi-user.target
X
mv /etc/systemd/system/demo.service.n /etc/systemd/system/demo.service
systemctl daemon-reload
sed -i 's/^Restart=.*/Restart=no/' /etc/systemd/system/demo.service
systemctl daemon-reload
stat /etc/systemd/system/demo.service >/dev/null
systemctl restart demo
for i in $(seq 1 300); do curl -s -o /dev/null http://127.0.0.1:8080/ && break; sleep 0.05; done
curl -s -o /dev/null http://127.0.0.1:8080/
pgrep -f http.server > /tmp/pids
sed -i 's/^Restart=.*/Restart=on-failure/' /etc/systemd/system/demo.service
systemctl daemon-reload
